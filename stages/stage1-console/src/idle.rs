//! What a vCPU does while it waits.
//!
//! In stage 1 it offers the processor to others and asks again (`SCHEDOP_yield`, `public/sched.h`). Later
//! stages have better things to do, and put their own function here. Invariant: [`wait`] returns, sooner or
//! later, whether what was waited for has happened or not.

use crate::lock::Lock;

static WAIT: Lock<fn()> = Lock::new(crate::xen::yield_now);

/// Waits a little. The caller then looks again.
pub fn wait() {
    let wait = *WAIT.lock();
    wait();
}

/// Replaces the way to wait.
pub fn set_wait(wait: fn()) {
    *WAIT.lock() = wait;
}
