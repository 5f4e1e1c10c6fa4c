//! What a vCPU does while it waits for an event: nothing, in Xen (`SCHEDOP_block`, `public/sched.h`).
//!
//! The danger is an event that comes between the last look at what is waited for and the block: it would be taken, and
//! the vCPU then sleep although what it waits for is there. So events are masked before the look, and the block unmasks
//! them: Xen returns at once if one is pending by then.
//!
//! Invariant: between a look that said "not yet" and the block, no event is taken.

use core::time::Duration;

use console::bedrock::cpu;

use crate::timer::{self, OutOfMemory};
use crate::{clock, upcall, xen};

// ANCHOR: wait_until
/// Sleeps until `ready` says so. It is asked with events masked, first at once and then after every event; what makes it
/// true must be an event's doing.
///
/// # Panics
/// In an event's handler: no further event is taken there.
pub fn wait_until(ready: &mut dyn FnMut() -> bool) {
    assert!(!upcall::is_active(), "the handler of an event can't wait for another one");
    let masked_before = cpu::mask_events();
    while !ready() {
        xen::block();
        cpu::mask_events();
    }
    cpu::restore_events(masked_before);
}
// ANCHOR_END: wait_until

/// Sleeps for at least this long.
///
/// # Errors
/// If there is no memory for a timer.
pub fn sleep(span: Duration) -> Result<(), OutOfMemory> {
    let deadline = clock::now().after(span);
    // The timer does nothing: that it interrupts is enough.
    let _timer = timer::set(deadline, |_| {}, 0)?;
    // As stage 4 does it, where there is one: the thread may be on another vCPU by now than the one that is interrupted.
    console::idle::wait_until(|| clock::now() >= deadline);
    Ok(())
}
