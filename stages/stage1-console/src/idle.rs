//! What a vCPU does while it waits.
//!
//! In stage 1 it offers the processor to others and asks again (`SCHEDOP_yield`, `public/sched.h`). Later
//! stages have better things to do, and put their own function here. Invariant: [`wait_until`] returns once what is
//! waited for has happened, and whoever waits decides what that is.

use crate::lock::Lock;

/// A way to wait until `ready` says so. Stage 3's asks it with events masked.
pub type Wait = fn(ready: &mut dyn FnMut() -> bool);

static WAIT: Lock<Wait> = Lock::new(ask_again);

/// Waits until `ready` says so. It must be quick to answer, and can't wait for anything itself.
pub fn wait_until(mut ready: impl FnMut() -> bool) {
    let wait = *WAIT.lock();
    wait(&mut ready);
}

/// Replaces the way to wait.
pub fn set_wait(wait: Wait) {
    *WAIT.lock() = wait;
}

fn ask_again(ready: &mut dyn FnMut() -> bool) {
    while !ready() {
        crate::xen::yield_now();
    }
}
