//! The ways to end.
//!
//! Follows `SCHEDOP_shutdown` in Xen's `public/sched.h`: the reason tells the toolstack what to do (`on_poweroff`,
//! `on_reboot`, `on_crash`). Invariant: what was printed before reaches dom0 first, if dom0 still takes it; nothing is
//! printed afterwards. A vCPU that reports a panic is not overtaken by one that is done. An end in order first lets later
//! stages do what they have registered in [`ending`]; else no exercise takes part.

use core::fmt::Write;

use super::raw_hypercall::{number, raw_hypercall};
use super::raw_ring::{self, RawConsole};
use super::{alone, report};
use crate::ending;

/// Ends the guest for good.
pub fn off() -> ! {
    ending::run();
    goodbye("poweroff");
    shut_down(0)
}

/// Has the guest built and booted anew.
pub fn reboot() -> ! {
    ending::run();
    goodbye("reboot");
    shut_down(1)
}

/// Ends the guest as failed, but in order. Nothing is printed: whoever calls this has told why.
pub fn fail() -> ! {
    ending::run();
    alone();
    shut_down(3)
}

/// Ends the guest as failed, at once. Nothing is printed: whoever calls this has told why.
pub fn crash() -> ! {
    shut_down(3)
}

fn alone() {
    alone::take_over((report::hooks().cpu)());
}

fn goodbye(reason: &str) {
    alone();
    raw_ring::start_line();
    let _ = writeln!(RawConsole, "bye: {reason}");
}

// ANCHOR: shut_down
fn shut_down(reason: u32) -> ! {
    const SCHEDOP_SHUTDOWN: u64 = 2;
    raw_ring::drain();
    loop {
        // SAFETY: the argument is a `struct sched_shutdown`, one u32, which Xen only reads. It doesn't return.
        unsafe { raw_hypercall(number::SCHED_OP, [SCHEDOP_SHUTDOWN, (&raw const reason).addr() as u64, 0, 0]) };
        core::hint::spin_loop();
    }
}
// ANCHOR_END: shut_down
