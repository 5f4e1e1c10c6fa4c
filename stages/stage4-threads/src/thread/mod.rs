//! Threads: each with a stack of its own, all with the same memory.
//!
//! ```ignore
//! let handle = thread::spawn(|| 6 * 7)?;
//! assert_eq!(handle.join(), 42);
//! ```
//!
//! Invariant: what a thread was given and what it leaves behind is dropped exactly once, whether it is joined or not.

mod control;
mod list;
mod name;
#[cfg(guest)]
pub(crate) mod sleeper;
mod spawn;
mod tls;

use core::sync::atomic::Ordering;
use core::time::Duration;

use console::bedrock::cpu as vcpu;

pub use control::Thread;
pub(crate) use control::{Control, Properties};
pub(crate) use list::remove as remove_from_list;
pub use list::{Info, State, list, print_list};
pub use name::Name;
pub use spawn::{Builder, DEFAULT_PRIORITY, DEFAULT_STACK, JoinHandle, SpawnError, spawn};
pub(crate) use spawn::{first_idle, idle as spawn_idle, main as adopt_main};
pub(crate) use tls::load as load_fs_base;
pub use tls::{fs_base, set_fs_base};

use crate::cpu_set::CpuSet;
use crate::ready::LEVELS;
use crate::scheduler::{self, Leaving};
use crate::time::{Nanoseconds, after, now};
use crate::wait_queue::WaitQueue;

/// The thread that runs.
pub fn current() -> Thread {
    Thread::of(scheduler::current())
}

/// Lets others run, if any as important as this thread is ready.
pub fn yield_now() {
    let masked = vcpu::mask_events();
    scheduler::schedule(Leaving::Ready);
    vcpu::restore_events(masked);
}

/// Sleeps until somebody calls [`Thread::unpark`] for this thread, or until the deadline. If that was called since the last
/// `park`, it returns at once, whatever the thread has waited for in between. It may also return for no reason.
///
/// # Panics
/// With events masked: nobody could wake this thread.
pub fn park(deadline: Option<Nanoseconds>) {
    let me = scheduler::current();
    if !me.called.swap(false, Ordering::Acquire) {
        doze(deadline);
        me.called.swap(false, Ordering::Acquire);
    }
}

// ANCHOR: park
/// Sleeps until somebody [wakes](scheduler::wake) this thread, or until the deadline; now and then for no reason. A wake-up that
/// came since the last sleep ends it at once, whoever it was for: all that wait in this kernel look again, and sleep again.
pub(crate) fn doze(deadline: Option<Nanoseconds>) {
    assert_may_wait();
    let me = scheduler::current();
    let timer = deadline.map(|deadline| {
        let argument = core::ptr::from_ref(me).expose_provenance();
        events::timer::set(
            deadline,
            |thread| {
                // SAFETY: the thread is inside of `doze`, which doesn't end before the timer is gone.
                let thread = unsafe { &*core::ptr::with_exposed_provenance::<Control>(thread) };
                scheduler::wake(thread);
            },
            argument,
        )
    });
    if matches!(timer, Some(Err(_))) {
        yield_now(); // no memory for a timer: look again and again, rather than sleep for ever
        return;
    }
    let masked = vcpu::mask_events();
    if me.parking.prepare() {
        scheduler::schedule(Leaving::Asleep);
    }
    vcpu::restore_events(masked);
    drop(timer);
}
// ANCHOR_END: park

/// Sleeps for so long, and not less.
pub fn sleep(span: Duration) {
    sleep_until(after(span));
}

/// Sleeps until then, and not less.
pub fn sleep_until(deadline: Nanoseconds) {
    while now() < deadline {
        doze(Some(deadline));
    }
}

/// Threads that wait for something that an event brings about, without a queue of its own.
static FOR_EVENTS: WaitQueue = WaitQueue::new();

/// Sleeps until `ready` says so, which is asked again whenever an event was taken, on any vCPU.
pub(crate) fn wait_until(ready: &mut dyn FnMut() -> bool) {
    loop {
        let mut done = false;
        FOR_EVENTS.wait(None, || {
            done = ready();
            !done
        });
        if done {
            return;
        }
    }
}

/// By the upcall: an event was taken.
pub(crate) fn event_taken() {
    FOR_EVENTS.wake(usize::MAX);
}

/// Ends the thread that runs.
pub(crate) fn exit() -> ! {
    vcpu::mask_events();
    remove_from_list(scheduler::current());
    scheduler::schedule(Leaving::Finished);
    unreachable!("a thread that has ended runs")
}

impl Thread {
    /// Sets its priority: 0 is the lowest, [`LEVELS`] - 1 the highest. It holds from the next time on that it becomes ready.
    pub fn set_priority(&self, priority: u8) {
        let level = priority.min(LEVELS as u8 - 1);
        self.control().level.store(level, Ordering::Relaxed);
    }

    /// Its priority.
    pub fn priority(&self) -> u8 {
        self.control().level.load(Ordering::Relaxed)
    }

    /// On which vCPUs it may run. It holds from the next time on that it becomes ready; for the thread that runs, at once.
    /// Where none of them is on, it may run anywhere.
    pub fn set_affinity(&self, set: CpuSet) {
        self.control().affinity.store(set);
        if core::ptr::eq(self.control(), scheduler::current()) {
            yield_now();
        }
    }

    /// On which vCPUs it may run.
    pub fn affinity(&self) -> CpuSet {
        self.control().affinity.load()
    }
}

/// # Panics
/// Where a thread must not wait: with events masked, or in an idle thread.
#[track_caller]
pub(crate) fn assert_may_wait() {
    assert!(!events::upcall::is_active(), "{:?} waits in the handler of an event", current());
    assert!(!vcpu::events_masked(), "{:?} waits while events are masked", current());
    assert!(!scheduler::current().idle, "{:?} waits, which an idle thread must not", current());
}
