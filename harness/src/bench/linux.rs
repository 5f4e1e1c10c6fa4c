//! The Linux guest of the test host, doing what compares.
//!
//! What it does that beyond its own initramfs is a second archive behind that. Invariant: it runs on the machine on which
//! the stage was measured, with as many vCPUs, the same devices, and as much memory, or what it needs to boot at all.

use super::figures::{self, Figure};
use super::{DISK, DISK_MIB, PATIENCE, Setting, start};
use crate::course::GuestShape;
use crate::domain::{empty_disk, fresh_name};
use crate::error::{Context, Error, Result};
use crate::host::HostImage;
use crate::host::initramfs::Initramfs;
use crate::machine::{CreateOptions, GUEST_ADDRESS, Machine};
use std::path::PathBuf;

/// Where the program is in the guest.
const PLACE: &str = "usr/bin/linux-bench";
const KERNEL: &str = "/images/linux";
const RAMDISK: &str = "/images/linux.initramfs";
/// What Debian's kernel with its initramfs needs, at least.
const MEMORY_MIB: u32 = 192;
/// Its last line.
const DONE: &[u8] = b"bench done\r\n";

/// What Linux measured in so many boots with so many vCPUs.
pub fn figures(setting: &Setting<'_>, program: &[u8], boots: u32, vcpus: u32) -> Result<Vec<Figure>> {
    let Setting { app, host, machine, .. } = setting;
    let mut more = Initramfs::default();
    more.program(PLACE, program);
    put(host, machine, &[more.archive()?])?;
    let step = app.ui.count("booting Linux", u64::from(boots));
    let mut all = Vec::new();
    for boot in 0..boots {
        let mut options = options(setting, &format!("run=/{PLACE}"));
        options.vcpus = vcpus;
        options.disks.push(empty_disk(machine, DISK, DISK_MIB)?);
        let mut domain = start(machine, options)?;
        // A shell follows, which waits for somebody to type.
        domain.listen(machine.within(PATIENCE), |domain| domain.has_said(DONE))?;
        let console = domain.text();
        all.push(
            figures::parse(&console).map_err(|why| Error::fault(format!("the Linux guest's measurements: {why}")))?,
        );
        step.at(u64::from(boot) + 1);
    }
    Ok(figures::merge(&all))
}

/// Puts the guest into dom0, with these files more.
pub fn put(host: &HostImage, machine: &Machine, more: &[Vec<u8>]) -> Result<()> {
    let read = |path: PathBuf| std::fs::read(&path).on("read", &path);
    let mut ramdisk = read(host.linux_guest_initramfs())?;
    for archive in more {
        // An archive begins at a multiple of four; the zeros before it are passed over.
        ramdisk.resize(ramdisk.len().next_multiple_of(4), 0);
        ramdisk.extend(archive);
    }
    machine.agent().put(KERNEL, &read(host.linux_guest_kernel())?)?;
    machine.agent().put(RAMDISK, &ramdisk)
}

/// The guest, whose init does what these words say.
pub fn options(setting: &Setting<'_>, words: &str) -> CreateOptions {
    let line = format!("console=hvc0 quiet loglevel=4 mitigations=off address={GUEST_ADDRESS}/24 {words}");
    let memory = setting.memory().max(MEMORY_MIB);
    let shape = GuestShape { memory, interfaces: 1, ..GuestShape::default() };
    CreateOptions { ramdisk: Some(RAMDISK.into()), ..shape.options(fresh_name("linux"), KERNEL, &line) }
}
