//! Threads as a wait queue knows them.
//!
//! Invariant: a queue holds a thread only while that is inside of `WaitQueue::wait`.

use core::ptr::NonNull;

use super::Control;
use crate::scheduler;
use crate::sync::order::Held;

pub(crate) use super::doze as park;
pub(crate) use crate::scheduler::after_wake;

/// A thread that sleeps, or is about to.
#[derive(Clone, Copy)]
pub(crate) struct Sleeper(NonNull<Control>);

/// The thread that runs.
pub(crate) fn current() -> Sleeper {
    Sleeper(NonNull::from(scheduler::current()))
}

/// Wakes a thread that a queue holds.
pub(crate) fn unpark(sleeper: &Sleeper) {
    // SAFETY: the thread is inside of `WaitQueue::wait`, which it leaves only under the lock that the caller holds.
    scheduler::wake(unsafe { sleeper.0.as_ref() });
}

/// The mutexes that the running thread holds.
pub(crate) fn with_held<R>(change: impl FnOnce(&mut Held) -> R) -> R {
    // SAFETY: only the thread itself touches it, and not in `change` once more.
    change(unsafe { &mut *scheduler::current().held.get() })
}
