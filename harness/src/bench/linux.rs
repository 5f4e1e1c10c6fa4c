//! The Linux guest of the test host, doing what compares.
//!
//! Its program, `images/linux-bench`, is linked statically and comes as a second archive behind the guest's own
//! initramfs. Invariant: it runs on the machine on which the stage was measured, with the same memory and one vCPU.

use super::figures::{self, Figure};
use super::{DISK, DISK_MIB, PATIENCE, start};
use crate::app::App;
use crate::domain::{empty_disk, fresh_name};
use crate::error::{Context, Error, Kind, Result};
use crate::host::HostImage;
use crate::host::initramfs::Initramfs;
use crate::machine::{CreateOptions, Machine};
use crate::{process, toolchain};
use std::path::PathBuf;
use std::time::Duration;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const NAME: &str = "linux-bench";
/// Where it is in the guest.
const PLACE: &str = "usr/bin/linux-bench";
const KERNEL: &str = "/images/linux";
const RAMDISK: &str = "/images/linux.initramfs";
/// What Debian's kernel with its initramfs needs.
const MEMORY_MIB: u32 = 192;
/// Its last line.
const DONE: &[u8] = b"bench done\r\n";
/// Far more than a slow machine needs.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// What Linux measured in so many boots.
pub fn figures(app: &App, host: &HostImage, machine: &Machine, boots: u32) -> Result<Vec<Figure>> {
    let path = build(app)?;
    let mut program = Initramfs::default();
    program.program(PLACE, &std::fs::read(&path).on("read", &path)?);
    let read = |path: PathBuf| std::fs::read(&path).on("read", &path);
    let mut ramdisk = read(host.linux_guest_initramfs())?;
    // An archive begins at a multiple of four; the zeros before it are passed over.
    ramdisk.resize(ramdisk.len().next_multiple_of(4), 0);
    ramdisk.extend(program.archive()?);
    machine.agent().put(KERNEL, &read(host.linux_guest_kernel())?)?;
    machine.agent().put(RAMDISK, &ramdisk)?;

    let step = app.ui.count("booting Linux", u64::from(boots));
    let mut all = Vec::new();
    for boot in 0..boots {
        let mut options = CreateOptions::new(fresh_name("linux"), KERNEL);
        options.ramdisk = Some(RAMDISK.into());
        options.cmdline = format!("console=hvc0 quiet loglevel=4 mitigations=off run=/{PLACE}");
        options.memory_mib = MEMORY_MIB;
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

/// Compiles the program.
fn build(app: &App) -> Result<PathBuf> {
    let _step = app.ui.step("Compiling the Linux guest's program");
    let root = &app.course.root;
    let target_dir = root.join("target/linux-bench");
    let mut cargo = toolchain::cargo(root);
    cargo
        .args(["build", "--quiet", "--package", NAME, "--release", "--target", TARGET, "--target-dir"])
        .arg(&target_dir);
    // The guest has no libraries.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    let built = process::run(cargo, LIMIT)?;
    if !built.success() {
        let text = format!("the Linux guest's program does not compile:\n{}", built.stderr.trim_end());
        return Err(Error::new(Kind::Build, text).next("leave Linux out: --alone"));
    }
    Ok(target_dir.join(TARGET).join("release").join(NAME))
}
