//! What happens when Xen interrupts a vCPU because of an event.
//!
//! Events are masked from the entry on. First every pending port's handler runs, then the timers that are due, and then
//! it is decided what to go on with: what was interrupted, or, from stage 4 on, another thread.
//!
//! Invariant: when an upcall returns, no port of this vCPU is pending that was so when it began, but masked ones.

use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use console::bedrock::cpu;

use crate::context::{Context, Resume};
use crate::vcpu::Vcpu;
use crate::{pending, timer};

/// Chooses what to go on with when an event has been taken: the context it is given, or another. It runs with events
/// masked, on the stack of what was interrupted.
pub type ChooseNext = fn(*mut Context) -> Resume;

static CHOOSE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Has `choose` decide what goes on after an event. Stage 4 preempts threads in this way.
pub fn set_resume(choose: ChooseNext) {
    replace_resume(choose as *mut ());
}

/// The same; returns what decided before, to be put back.
pub(crate) fn replace_resume(choose: *mut ()) -> *mut () {
    CHOOSE.swap(choose, Ordering::AcqRel)
}

/// Whether this vCPU is taking events: then code that waits for one waits for ever.
pub fn is_active() -> bool {
    // Masked first: only then the vCPU is the same from one load to the next. Otherwise a thread could be moved between the two,
    // and be told about another vCPU's upcall.
    cpu::events_masked() && Vcpu::current().is_some_and(|vcpu| vcpu.in_upcall.load(Ordering::Relaxed))
}

// ANCHOR: take
/// Takes all events that are pending on this vCPU.
#[cfg_attr(not(guest), allow(dead_code, reason = "only the entry code calls it"))]
pub(crate) fn take(interrupted: *mut Context) -> Resume {
    let Some(vcpu) = Vcpu::current() else { return Resume::same(interrupted) };
    vcpu.upcalls.fetch_add(1, Ordering::Relaxed);
    vcpu.in_upcall.store(true, Ordering::Relaxed);
    pending::scan(&mut vcpu.pending(), |port| vcpu.deliver(port));
    vcpu.all_delivered();
    timer::run_due(vcpu);
    vcpu.in_upcall.store(false, Ordering::Relaxed);
    choose_next(interrupted)
}
// ANCHOR_END: take

fn choose_next(interrupted: *mut Context) -> Resume {
    let pointer = CHOOSE.load(Ordering::Acquire);
    if pointer.is_null() {
        return Resume::same(interrupted);
    }
    // SAFETY: what is stored is null or was made of such a function.
    let choose = unsafe { mem::transmute::<*mut (), ChooseNext>(pointer) };
    choose(interrupted)
}
