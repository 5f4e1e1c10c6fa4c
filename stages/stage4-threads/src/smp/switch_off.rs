//! Switching a vCPU off, and on again.
//!
//! A vCPU switches itself off: its threads go elsewhere, its timers and ports too, and its idle thread asks Xen to stop it
//! (`VCPUOP_down` in `public/vcpu.h`). Everything that it had stays, and when it is switched on it goes on behind that hypercall.
//!
//! Invariant: the first vCPU stays on: a domain without a running vCPU is shut down by Xen. A vCPU that is off has no threads in
//! its queue.

use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;

use console::Errno;
use console::println;
use console::xen::{hypercall, number};
use events::clock;

use super::start;
use crate::scheduler::{self, IDLE, ONLINE, Scheduler};
use crate::sync::Mutex;
use crate::thread;

/// How long a vCPU may take to leave, or to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a vCPU was not switched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnlineError {
    /// There is no such vCPU, or it never started.
    Unknown,
    /// The first one stays on.
    First,
    /// Xen refuses.
    Refused(Errno),
    /// It did not do so in time.
    TimedOut,
}

impl fmt::Display for OnlineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such vCPU"),
            Self::First => f.write_str("the first vCPU stays on"),
            Self::Refused(error) => write!(f, "Xen refuses: {error}"),
            Self::TimedOut => f.write_str("it does not answer"),
        }
    }
}

impl core::error::Error for OnlineError {}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

// ANCHOR: set_online
/// Switches a vCPU on or off, and waits until it is. Nothing happens if it is so already.
///
/// # Errors
/// For the first vCPU, one that there isn't, and one that doesn't answer.
pub fn set_online(cpu: u32, on: bool) -> Result<(), OnlineError> {
    let _guard = ONE_AT_A_TIME.lock();
    let scheduler = Scheduler::of(cpu).ok_or(OnlineError::Unknown)?;
    if ONLINE.contains(cpu) == on {
        return Ok(());
    }
    if cpu == 0 {
        return Err(OnlineError::First);
    }
    if on {
        start::up(cpu).map_err(OnlineError::Refused)?;
    } else {
        scheduler.leave.store(true, Ordering::Release);
        ONLINE.remove(cpu); // from here on nobody puts threads there
        scheduler.interrupt();
    }
    let deadline = clock::now().after(PATIENCE);
    while is_up(cpu) != on || ONLINE.contains(cpu) != on {
        if clock::now() >= deadline {
            if !on && scheduler.leave.swap(false, Ordering::AcqRel) {
                ONLINE.insert(cpu); // it has not left, and may stay
            }
            return Err(OnlineError::TimedOut);
        }
        if !on {
            scheduler.interrupt(); // it runs a thread that doesn't sleep: once more, until its idle thread has its turn
        }
        thread::sleep(Duration::from_millis(2));
    }
    println!("cpu {cpu} {}", if on { "up" } else { "down" });
    Ok(())
}
// ANCHOR_END: set_online

fn is_up(cpu: u32) -> bool {
    const VCPUOP_IS_UP: u64 = 3;
    // SAFETY: the question takes no pointer and changes nothing.
    let up = unsafe { hypercall(number::VCPU_OP, [VCPUOP_IS_UP, cpu.into(), 0, 0]) };
    up == Ok(1)
}

/// By the idle thread of the vCPU that is to be switched off, events masked. Returns when it is on again.
pub(crate) fn leave(here: &'static Scheduler) {
    const VCPUOP_DOWN: u64 = 2;
    IDLE.remove(here.number());
    scheduler::give_away(here);
    scheduler::disarm(here);
    events::timer::hand_over(0);
    events::port::leave(here.number());
    if let Some(first) = Scheduler::of(0) {
        first.interrupt();
    }
    // SAFETY: nothing runs here any more, and nobody expects it to. Events that come meanwhile wait.
    let _ = unsafe { hypercall(number::VCPU_OP, [VCPUOP_DOWN, here.number().into(), 0, 0]) };
    events::timer::take_back();
    start::online();
}
