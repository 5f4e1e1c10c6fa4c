//! The test host as a machine: QEMU with Xen and a dom0 whose agent answers.
//!
//! [`Machine::start`] restores it from a saved state in a fraction of a second; guests are then driven through
//! [`Machine::agent`], and what they do arrives at [`Agent::events`].
//!
//! Invariant: a machine leaves nothing behind: no process, no file, no socket, however the harness ends.

mod accelerator;
mod agent;
mod block_device;
mod boot;
mod deadline;
mod events;
mod link;
mod qemu;
mod qmp;
mod snapshot;

pub use ::agent::{Action, CHUNK, CreateOptions, Disk, Event, ExecOutput, Kind, Reason, TscMode, Vif};
pub use accelerator::Accelerator;
pub use agent::{Agent, Domain, outcome};
pub use block_device::{BlockDevice, Geometry};
pub use deadline::{Deadline, Deadlines};
pub use events::Events;
pub use qemu::version as qemu_version;
pub use qmp::Qmp;

use crate::error::{Context, Error, Kind as ErrorKind, Result};
use crate::host::HostImage;
use crate::ui::Ui;
use boot::Boot;
use snapshot::{Recipe, Snapshot};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

/// The address that forwarded ports lead to: what QEMU's DHCP server gives to the first guest that asks.
pub const GUEST_ADDRESS: &str = "10.0.2.15";

/// What the usual test host leaves to guests, in MiB, and the large one.
pub const SMALL_HOST_MIB: u64 = 1400;
/// See [`SMALL_HOST_MIB`].
pub const LARGE_HOST_MIB: u64 = 8800;

/// Which machine, and how it is connected.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// 10 GiB instead of 2.
    pub large: bool,
    /// How many it has, one of which is dom0's.
    pub processors: u32,
    /// QEMU counts instructions, and time is that count: one a nanosecond.
    pub counted: bool,
    /// Xenstore is oxenstored's. Such a machine is booted each time, and never saved.
    pub oxenstored: bool,
    /// TCP ports of this machine that lead into the guest.
    pub forwards: Vec<Forward>,
    /// Whether guests reach the network outside.
    pub online: bool,
    /// A port for QEMU's gdb stub.
    pub gdb: Option<u16>,
    /// How many times longer than usual to wait for anything.
    pub scale: f64,
}

impl Default for Options {
    fn default() -> Self {
        let (large, counted, oxenstored, online) = (false, false, false, false);
        Self { large, processors: 2, counted, oxenstored, forwards: Vec::new(), online, gdb: None, scale: 1. }
    }
}

/// A TCP port of 127.0.0.1 that leads to one of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The port here.
    pub host: u16,
    /// The port there.
    pub guest: u16,
}

/// QEMU with a ready dom0. QEMU ends when it is dropped.
pub struct Machine {
    boot: Boot,
    accelerator: Accelerator,
    deadlines: Deadlines,
}

impl Machine {
    /// Starts the machine that `image` boots; the first time, this takes a cold boot.
    pub fn start(cache_root: &Path, image: &HostImage, options: &Options, ui: &Ui) -> Result<Self> {
        let deadlines = Deadlines::scaled(options.scale);
        if let Some(port) = options.gdb {
            // QEMU would only exit, as it does with a state that it cannot use.
            let what = format!("use port {port} of this machine for the debugger");
            TcpListener::bind(("127.0.0.1", port)).doing(what)?;
        }
        let qemu = qemu::version()?;
        let recipe = Recipe { cache_root, image, options, accelerator: Accelerator::Tcg, qemu: &qemu };
        let accelerator = if options.counted { Accelerator::Tcg } else { Accelerator::choose(&recipe, ui) };
        let recipe = Recipe { accelerator, ..recipe };
        if options.oxenstored {
            let boot = Boot::cold(&recipe, &deadlines, 120.)?;
            return Ok(Self { boot, accelerator, deadlines });
        }
        let snapshot = Snapshot::ensure(&recipe, None, ui)?;
        let boot = match Boot::restore(&recipe, &snapshot, &deadlines) {
            Ok(boot) => boot,
            Err(error) if error.kind == ErrorKind::Missing => return Err(error),
            Err(error) => {
                ui.note(&format!("Booting the test host anew: {}", error.message));
                let snapshot = Snapshot::ensure(&recipe, Some(&snapshot), ui)?;
                Boot::restore(&recipe, &snapshot, &deadlines)?
            }
        };
        let machine = Self { boot, accelerator, deadlines };
        options.forwards.iter().try_for_each(|forward| machine.forward(*forward))?;
        Ok(machine)
    }

    /// What drives dom0.
    pub fn agent(&self) -> &Agent {
        &self.boot.agent
    }

    /// What drives QEMU.
    pub fn qmp(&self) -> &Qmp {
        &self.boot.qmp
    }

    /// What Xen printed on its serial console since the machine was restored.
    pub fn xen_log(&self) -> String {
        self.boot.qemu.console().text()
    }

    /// The same once Xen has said all that it has to say: a dump of a crash comes over a slow serial line, and the
    /// agent's word that the guest has ended overtakes it.
    pub fn settled_xen_log(&self) -> String {
        let deadline = self.within(5.);
        let mut log = self.xen_log();
        loop {
            std::thread::sleep(self.deadlines.seconds(0.15));
            let now = self.xen_log();
            if now.len() == log.len() || deadline.is_over() {
                return now;
            }
            log = now;
        }
    }

    /// What dom0 says about the machine, by name (`xl info`).
    pub fn xen_info(&self) -> Result<BTreeMap<String, String>> {
        let said = self.agent().exec(&["xl", "info"], &[])?;
        let text = String::from_utf8_lossy(&said.stdout);
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            // The value as it is: Xen's list of capabilities ends in a space, here and in the hypercall.
            Some((name.trim().to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
        };
        Ok(text.lines().filter_map(field).collect())
    }

    /// A deadline in so many of an ordinary machine's seconds from now.
    pub fn within(&self, seconds: f64) -> Deadline {
        self.deadlines.within(seconds)
    }

    /// How QEMU runs it.
    pub fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    /// How the machine is, in a few lines, to go with a report that something did not happen in time.
    pub fn standing(&self) -> String {
        self.boot.qemu.standing()()
    }

    /// Kills QEMU, as a fault would.
    pub fn kill(&self) {
        self.boot.qemu.kill();
    }

    /// Lets a port of this machine lead into the guest.
    pub fn forward(&self, Forward { host, guest }: Forward) -> Result<()> {
        let rule = format!("hostfwd_add net0 tcp:127.0.0.1:{host}-{GUEST_ADDRESS}:{guest}");
        let said = self.qmp().human(&rule, self.within(10.))?;
        if said.is_empty() {
            return Ok(());
        }
        let what = format!("port {host} of this machine cannot be forwarded to the guest's port {guest}: {said}");
        Err(Error::missing(what).next("choose another port, or end the program that uses this one"))
    }
}
