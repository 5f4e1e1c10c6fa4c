//! What a vCPU does when there is nothing to do.
//!
//! It sleeps in Xen (`SCHEDOP_block` in `public/sched.h`) until an event. Invariant: it looks for work *after* it has told
//! that it is idle, and with events masked: whoever makes a thread ready after that look sends an event, and with an event
//! pending Xen doesn't let it sleep.

use core::sync::atomic::{Ordering, fence};

use console::bedrock::cpu as vcpu;
use console::xen::{self, number};

use super::cpu::{IDLE, Leaving, Scheduler};
use super::{reap, schedule, steal};

// ANCHOR: idle
/// The life of an idle thread. It is entered with events masked or not.
pub(crate) fn idle_loop() -> ! {
    loop {
        reap();
        vcpu::mask_events();
        let Some(here) = Scheduler::here() else { continue };
        // Taken in one step: whoever has asked for it may be taking it back.
        if here.leave.load(Ordering::Relaxed) && here.leave.swap(false, Ordering::AcqRel) {
            crate::smp::leave(here);
        }
        if here.count.load(Ordering::Relaxed) > 0 {
            schedule(Leaving::Ready);
        } else {
            IDLE.insert(here.cpu);
            fence(Ordering::SeqCst);
            match steal(here) {
                Some(item) => {
                    IDLE.remove(here.cpu);
                    super::put(here, &mut here.ready.lock(), item.control());
                    schedule(Leaving::Ready);
                }
                None if here.count.load(Ordering::Relaxed) == 0 => block(),
                None => {}
            }
            IDLE.remove(here.cpu);
        }
        vcpu::restore_events(false);
    }
}
// ANCHOR_END: idle

/// Sleeps until an event; events are unmasked afterwards. With an event pending it returns at once.
fn block() {
    const SCHEDOP_BLOCK: u64 = 1;
    // SAFETY: blocking takes no pointer. Events are masked, and Xen unmasks them in the same step.
    let _ = unsafe { xen::hypercall(number::SCHED_OP, [SCHEDOP_BLOCK, 0, 0, 0]) };
}
