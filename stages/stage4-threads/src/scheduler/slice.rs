//! Slices: how long a thread may run while another waits for the same vCPU.
//!
//! The timer is armed only where somebody waits, and once a slice, not at each switch: where it fires and the thread that runs
//! hasn't had its slice yet, it is armed again for the rest. A vCPU with one thread, or none, gets no ticks at all.
//!
//! Invariant: while a thread is ready in a vCPU's queue and another runs, the vCPU's slice timer is armed, or about to be by an
//! interrupt that was sent.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use console::bedrock::cpu as vcpu;
use events::context::{Context, Resume};
use events::timer;

use super::cpu::{Leaving, Scheduler};
use super::{current, schedule};

const DEFAULT: Duration = Duration::from_millis(20);
/// Shorter ones would leave time for little else.
const SHORTEST: Duration = Duration::from_micros(100);

static SLICE: AtomicU64 = AtomicU64::new(DEFAULT.as_nanos() as u64);

/// How long a slice is.
pub fn slice() -> Duration {
    Duration::from_nanos(SLICE.load(Ordering::Relaxed))
}

/// Makes slices longer or shorter: 100 microseconds at least. It holds from the next one on.
pub fn set_slice(slice: Duration) {
    let slice = u64::try_from(slice.max(SHORTEST).as_nanos()).unwrap_or(u64::MAX);
    SLICE.store(slice, Ordering::Relaxed);
}

// ANCHOR: resume
/// What an upcall goes on with: the interrupted thread, later if another is to run before.
pub(crate) fn resume(interrupted: *mut Context) -> Resume {
    crate::thread::event_taken();
    if let Some(here) = Scheduler::here()
        && !current().idle
    {
        let waits = here.count.load(Ordering::Relaxed) > 0;
        let over = || here.ran() >= slice();
        if here.leave.load(Ordering::Relaxed) || waits && (here.reschedule.load(Ordering::Relaxed) || over()) {
            // All registers of this thread are on its stack already. The call returns when it runs again.
            schedule(Leaving::Ready);
        }
    }
    // Perhaps on another vCPU by now.
    if let Some(here) = Scheduler::here() {
        arm(here); // the slice isn't over, or nobody else was to run
    }
    Resume::same(interrupted)
}
// ANCHOR_END: resume

/// Sees to it that what runs here is interrupted when its slice is over, if anybody waits. Events are masked.
pub(super) fn arm(here: &Scheduler) {
    if here.count.load(Ordering::Relaxed) == 0 || current().idle || here.slice_armed.swap(true, Ordering::Relaxed) {
        return;
    }
    let end = events::clock::now().after(slice().saturating_sub(here.ran()));
    match timer::set(end, over, 0) {
        Ok(timer) => {
            let old = here.slice_timer.lock().replace(timer);
            drop(old);
        }
        // Out of memory: then this slice ends with another event, or when the thread goes by itself.
        Err(_) => here.slice_armed.store(false, Ordering::Relaxed),
    }
}

/// Forgets the slice of a vCPU that is about to be switched off, before its timers go to another: the timer would tell that one that
/// the slice is over, and this vCPU would wait for it for ever.
pub(crate) fn disarm(here: &Scheduler) {
    let timer = here.slice_timer.lock().take();
    drop(timer);
    here.slice_armed.store(false, Ordering::Relaxed);
}

/// The timer's callback, in an upcall, on the vCPU that armed it. [`resume`] follows, and looks how long the thread has run.
fn over(_: usize) {
    debug_assert!(vcpu::events_masked());
    if let Some(here) = Scheduler::here() {
        here.slice_armed.store(false, Ordering::Relaxed);
    }
}
