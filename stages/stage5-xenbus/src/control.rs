//! What the toolstack asks this guest to do.
//!
//! Follows `docs/misc/xenstore-paths.pandoc` and what Linux does (`drivers/xen/manage.c`, `xen-balloon.c`). In our own folder:
//!
//! | node | written by | asks for |
//! |---|---|---|
//! | `control/shutdown` | `xl shutdown`, `xl reboot`, `xl save` | `poweroff`, `halt`, `reboot`, `suspend` |
//! | `control/sysrq` | `xl sysrq` | the letter's action |
//! | `memory/target` | `xl mem-set` | so much memory, in KiB |
//! | `cpu/N/availability` | `xl vcpu-set` | `online`, `offline` |
//!
//! The first two are commands: they are taken out, which is the answer. The last two are states, and stay.
//!
//! Invariant: a command is carried out once. What can't be done is said on the console, and nothing else happens.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use console::{power, println};
use threads::{smp, thread};

use crate::balloon;
use crate::mailbox::Mailbox;
use crate::protocol::{Refusal, StoreError};
use crate::store::Store;
use crate::transactions;
use crate::watch::Watch;

const SHUTDOWN: &str = "control/shutdown";
const SYSRQ: &str = "control/sysrq";
const TARGET: &str = "memory/target";
const CPUS: &str = "cpu";

/// How long to wait before a command is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What this guest can be asked for: what the toolstack reads before it waits for an answer.
const FEATURES: [(&str, &str); 3] =
    [("control/feature-poweroff", "1"), ("control/feature-reboot", "1"), ("control/feature-suspend", "0")];

/// Starts the thread that does what is asked.
pub(crate) fn start() -> Result<(), thread::SpawnError> {
    thread::Builder::new()
        .name("control")
        .spawn(|| {
            if let Err(error) = follow() {
                log::error!("dom0's wishes can't be followed: {error}");
            }
        })
        .map(drop)
}

// ANCHOR: follow
fn follow() -> Result<(), StoreError> {
    let mailbox = Arc::<Mailbox>::default();
    let watches: Vec<Watch> = [SHUTDOWN, SYSRQ, TARGET, CPUS]
        .iter()
        .map(|path| Watch::into_mailbox(path, &mailbox))
        .collect::<Result<_, _>>()?;
    if let Err(error) = Store::shared().write_all(FEATURES.map(|(path, value)| (path.into(), value.as_bytes()))) {
        log::warn!("what can be asked for can't be said: {error}");
    }
    loop {
        let event = mailbox.take(None)?;
        let done = match watches.iter().position(|watch| watch.token() == event.token) {
            Some(0) => shutdown(),
            Some(1) => sysrq(),
            Some(2) => target(),
            Some(3) => cpus(&event.path),
            _ => Ok(()),
        };
        if let Err(error) = done {
            log::warn!("{}: {error}", event.path);
            if may_pass(error) {
                // Nobody will ask again: whoever wrote it waits.
                thread::sleep(PAUSE);
                mailbox.put(event.token, &event.path, &event.path);
            }
        }
    }
}
// ANCHOR_END: follow

/// Whether the same may work a little later.
fn may_pass(error: StoreError) -> bool {
    matches!(
        error,
        StoreError::Conflict
            | StoreError::TimedOut
            | StoreError::Refused(Refusal::Again | Refusal::Busy | Refusal::Quota)
    )
}

/// Takes a command out of its node, if there is one. Where there is none, as at the beginning and when one was taken, that isn't
/// worth a transaction.
fn command(path: &str) -> Result<Option<Vec<u8>>, StoreError> {
    match Store::shared().read(path) {
        Ok(command) if command.is_empty() => Ok(None),
        Err(StoreError::Refused(Refusal::NotFound)) => Ok(None),
        _ => transactions::take(&Store::shared(), path),
    }
}

fn shutdown() -> Result<(), StoreError> {
    let Some(command) = command(SHUTDOWN)? else { return Ok(()) };
    match &command[..] {
        b"poweroff" | b"halt" => {
            println!("dom0 asks to power off");
            power::off()
        }
        b"reboot" => {
            println!("dom0 asks to reboot");
            power::reboot()
        }
        b"suspend" => println!("dom0 asks to suspend, which this kernel can't"),
        other => println!("dom0 asks for {}, which nobody knows", other.escape_ascii()),
    }
    Ok(())
}

fn sysrq() -> Result<(), StoreError> {
    let Some(letter) = command(SYSRQ)? else { return Ok(()) };
    match &letter[..] {
        b"b" => power::reboot(),
        b"o" => power::off(),
        b"c" => panic!("dom0 asks for a crash"),
        b"m" => memory_report(),
        b"t" => threads::thread::print_list(),
        b"d" => {
            for (device, state) in crate::frontend::list() {
                println!("sysrq: {} {} {state}", device.kind, device.name);
            }
        }
        other => println!("sysrq {}: reBoot Crash Devices Memory pOweroff Threads", other.escape_ascii()),
    }
    Ok(())
}

fn memory_report() {
    let frames = memory::frames::statistics();
    println!("sysrq: {} frames, {} free, {} with Xen", frames.total, frames.free, balloon::given_back());
    let grants = crate::grants::statistics();
    println!("sysrq: {} of {} grant references in use, {} deferred", grants.used, grants.entries, grants.deferred);
}

fn target() -> Result<(), StoreError> {
    let kib = Store::shared().read_number(TARGET)?;
    balloon::set_target(kib / 4);
    Ok(())
}

/// Brings vCPUs up or down: the one that `path` is about, or all.
fn cpus(path: &str) -> Result<(), StoreError> {
    let names = match path.split('/').nth(1) {
        Some(name) => alloc::vec![String::from(name)],
        None => Store::shared().directory(CPUS)?,
    };
    for name in names {
        let Ok(cpu) = name.parse::<u32>() else { continue };
        let wanted = Store::shared().read(&format!("{CPUS}/{name}/availability"))?;
        let wanted = match &wanted[..] {
            b"online" => true,
            b"offline" => false,
            _ => continue,
        };
        if smp::online().contains(cpu) != wanted
            && let Err(error) = smp::set_online(cpu, wanted)
        {
            println!("cpu {cpu} can't be switched: {error}");
        }
    }
    Ok(())
}
