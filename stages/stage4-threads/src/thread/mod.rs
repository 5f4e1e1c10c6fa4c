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
mod spawn;
mod tls;

use core::time::Duration;

use console::bedrock::cpu as vcpu;

pub(crate) use control::{Control, Properties};
pub use control::Thread;
pub(crate) use list::remove as remove_from_list;
pub use list::{Info, State, list, print_list};
pub use name::Name;
pub(crate) use spawn::{idle as spawn_idle, main as adopt_main};
pub use spawn::{Builder, DEFAULT_PRIORITY, DEFAULT_STACK, JoinHandle, SpawnError, spawn};
pub(crate) use tls::load as load_fs_base;
pub use tls::{fs_base, set_fs_base};

use crate::cpu_set::CpuSet;
use crate::ready::LEVELS;
use crate::scheduler::{self, Leaving};
use crate::sync::order::Held;
use crate::time::{Nanoseconds, after, now};

/// A thread that sleeps, or is about to, as a wait queue knows it.
#[derive(Clone, Copy)]
pub struct Sleeper(core::ptr::NonNull<Control>);

/// The thread that runs, for a wait queue: it doesn't leave that before it is taken out of it.
pub(crate) fn current_handle() -> Sleeper {
    Sleeper(core::ptr::NonNull::from(scheduler::current()))
}

/// Wakes a thread that a wait queue holds.
pub(crate) fn unpark(sleeper: &Sleeper) {
    // SAFETY: the thread is inside of `WaitQueue::wait`, which it leaves only under the lock that the caller holds.
    scheduler::wake(unsafe { sleeper.0.as_ref() });
}

pub(crate) use crate::scheduler::after_wake;

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

// ANCHOR: park
/// Sleeps until somebody calls [`Thread::unpark`] for this thread, or until the deadline. If that was called since the last
/// `park`, it returns at once. It may also return for no reason.
///
/// # Panics
/// With events masked: nobody could wake this thread.
pub fn park(deadline: Option<Nanoseconds>) {
    assert_may_wait();
    let me = scheduler::current();
    let timer = deadline.map(|deadline| {
        let argument = core::ptr::from_ref(me).expose_provenance();
        events::timer::set(deadline, |thread| {
            // SAFETY: the thread is inside of `park`, which doesn't end before the timer is gone.
            let thread = unsafe { &*core::ptr::with_exposed_provenance::<Control>(thread) };
            scheduler::wake(thread);
        }, argument)
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
        park(Some(deadline));
    }
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
        self.control().level.store(level, core::sync::atomic::Ordering::Relaxed);
    }

    /// Its priority.
    pub fn priority(&self) -> u8 {
        self.control().level.load(core::sync::atomic::Ordering::Relaxed)
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

/// The mutexes that the thread that runs holds.
pub(crate) fn with_held<R>(change: impl FnOnce(&mut Held) -> R) -> R {
    // SAFETY: only the thread itself touches it, and not in `change` once more.
    change(unsafe { &mut *scheduler::current().held.get() })
}
