//! From nothing, or from a saved state, to an agent that answers.
//!
//! Invariant: a [`Boot`] has an agent that has answered and a dom0 whose clock is right. Anything else is an error that
//! says how far it came.

use crate::error::{Error, Result};
use crate::machine::agent::Agent;
use crate::machine::deadline::Deadlines;
use crate::machine::qemu::{Qemu, Spec};
use crate::machine::qmp::Qmp;
use crate::machine::snapshot::{Recipe, Snapshot};
use crate::machine::{Accelerator, Options};
use serde_json::json;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// Xen's command line. One dom0 vCPU beside the guests' is stable under TCG. On this processor Xen would switch the
/// vector registers lazily, which relies on a trap (CR0.TS) that TCG 7.2 does not always take: of a million checksums
/// in dom0, three came out wrong while a guest ran. With eager switching none of six million did.
///
/// Xen's default scheduler, credit2, forgets to wake a sleeping processor where QEMU's threads are held up now and then: with
/// two other programs busy on a machine of two processors, dom0 stood ready for 20 seconds and more while both of Xen's slept,
/// until a guest's timer went off. The older credit doesn't.
const XEN: &str = "loglvl=info console=com1 com1=115200,8n1 noreboot=1 dom0_mem=384M,max:384M dom0_max_vcpus=1 \
                   sched=credit spec-ctrl=eager-fpu";
/// dom0's kernel's command line.
const DOM0: &str = "console=hvc0 quiet loglevel=4 mitigations=off panic=1";

/// A machine that is up.
pub struct Boot {
    /// Dropped first: its end must not look like a broken connection.
    pub agent: Agent,
    pub qmp: Qmp,
    pub qemu: Qemu,
}

/// What the machine sees of QEMU's command line.
pub fn machine(options: &Options, accelerator: Accelerator) -> Vec<String> {
    let memory = if options.large { "10240M" } else { "2048M" };
    // TCG's SMAP breaks PV guests.
    let (accelerator, cpu) = match accelerator {
        // One thread, since there is one count for all processors.
        Accelerator::Tcg if options.counted => ("tcg,thread=single", "max,-smap"),
        Accelerator::Tcg => ("tcg,thread=multi", "max,-smap"),
        Accelerator::Kvm => ("kvm", "host"),
    };
    let store = if options.oxenstored { " xenstored=oxenstored" } else { "" };
    let modules = format!("vmlinuz {DOM0}{store},initramfs");
    let processors = options.processors.to_string();
    let words = [
        ["-accel", accelerator],
        ["-cpu", cpu],
        ["-smp", &processors],
        ["-m", memory],
        ["-kernel", "xen"],
        ["-append", XEN],
        ["-initrd", &modules],
        ["-serial", "chardev:serial"],
        ["-mon", "chardev=qmp,mode=control"],
        ["-device", "virtio-serial-pci,id=ports"],
        ["-device", &format!("virtserialport,bus=ports.0,chardev=agent,name={}", agent::PORT)],
        ["-device", "virtio-net-pci,netdev=net0,romfile=,mac=52:54:00:53:64:00"],
        ["-display", "none"],
    ];
    let flags = ["-no-reboot", "-nodefaults", "-no-user-config"];
    let count: &[&str] = if options.counted { &["-icount", "shift=0,sleep=off"] } else { &[] };
    words.as_flattened().iter().chain(&flags).chain(count).map(|&word| word.to_owned()).collect()
}

impl Boot {
    /// Boots Xen and dom0 within so many of an ordinary machine's seconds.
    pub fn cold(recipe: &Recipe, deadlines: &Deadlines, seconds: f64) -> Result<Self> {
        let (qemu, ends) = Qemu::start(spec(recipe, None))?;
        let standing = Arc::new(qemu.standing());
        let booted = || -> Result<(Agent, Qmp)> {
            let qmp = Qmp::new(ends.qmp, deadlines.within(20.))?;
            let deadline = deadlines.within(seconds);
            while !qemu.console().wait_for(agent::READY, deadlines.within(0.2)) {
                if deadline.is_over() {
                    return Err(deadline.missed("booting Xen and dom0", standing()));
                }
                // A machine that KVM cannot go on with is stopped.
                if !qmp.status(deadline).is_ok_and(|status| status == "running") {
                    return Err(Error::fault(format!("the test host did not boot. {}", standing())));
                }
            }
            let agent = Agent::new(ends.agent, standing.clone(), *deadlines, recipe.options.counted)?;
            agent.hello()?;
            // dom0 has a few things to finish; they would otherwise be repeated by each run.
            std::thread::sleep(Duration::from_secs(1));
            Ok((agent, qmp))
        };
        let (agent, qmp) = booted()?;
        Ok(Self { agent, qmp, qemu })
    }

    /// Starts from a saved state.
    pub fn restore(recipe: &Recipe, snapshot: &Snapshot, deadlines: &Deadlines) -> Result<Self> {
        let (state, fed) = snapshot.feed()?;
        let (qemu, ends) = Qemu::start(spec(recipe, Some(state)))?;
        let standing = Arc::new(qemu.standing());
        let stands = |error: Error| Error { message: format!("{}. {}", error.message, standing()), ..error };
        let deadline = deadlines.within(40.);
        let loaded = || -> Result<Qmp> {
            let qmp = Qmp::new(ends.qmp, deadline)?;
            while qmp.status(deadline)? == "inmigrate" {
                if deadline.is_over() {
                    return Err(deadline.missed("restoring the test host", standing()));
                }
                std::thread::sleep(Duration::from_millis(4));
            }
            Ok(qmp)
        };
        let loaded = loaded();
        if loaded.is_err() {
            // Else the feeding thread might wait for it for ever.
            qemu.kill();
        }
        // A damaged state explains whatever QEMU made of it.
        let fed = fed.join().unwrap_or_else(|_| Err(Error::fault("the thread that feeds QEMU died")));
        fed?;
        let qmp = loaded.map_err(stands)?;
        qmp.execute("cont", json!({}), deadline)?;
        let agent = Agent::new(ends.agent, standing, *deadlines, recipe.options.counted)?;
        agent.hello()?;
        Ok(Self { agent, qmp, qemu })
    }
}

fn spec(recipe: &Recipe, state: Option<OwnedFd>) -> Spec {
    let mut machine = machine(recipe.options, recipe.accelerator);
    // What the machine does not see. The boot that is saved needs none of it.
    let restored = state.is_some();
    let restrict = if recipe.options.online && restored { "off" } else { "on" };
    machine.extend(["-netdev".into(), format!("user,id=net0,restrict={restrict}")]);
    if let Some(port) = recipe.options.gdb.filter(|_| restored) {
        machine.extend(["-gdb".into(), format!("tcp:127.0.0.1:{port}")]);
    }
    Spec { machine, dir: recipe.image.dir.clone(), state }
}
