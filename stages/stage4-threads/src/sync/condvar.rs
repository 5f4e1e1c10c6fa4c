//! Waiting for data under a mutex to change.
//!
//! Invariant: a notification that comes after the mutex was given back is never lost.

use super::{MutexGuard, TimedOut, words};
use crate::sys::{self, AtomicU32};
use crate::time::Nanoseconds;
use crate::wait_queue::WaitQueue;

/// A condition that threads wait for.
pub struct Condvar {
    word: AtomicU32,
    waiters: WaitQueue,
}

impl Condvar {
    sys::const_fn! {
        /// Nobody waits.
        pub fn new() -> Self {
            Self { word: AtomicU32::new(0), waiters: WaitQueue::new() }
        }
    }

    /// Gives the mutex back, sleeps until a notification, and takes it again. It may return for no reason: look, and
    /// wait again.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let (word, others) = guard.parts();
        let _ = words::wait(&self.word, &self.waiters, word, others, None);
        guard
    }

    /// As [`wait`](Self::wait), until the deadline at most. Also returns whether it passed.
    pub fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Nanoseconds,
    ) -> (MutexGuard<'a, T>, Result<(), TimedOut>) {
        let (word, others) = guard.parts();
        let result = words::wait(&self.word, &self.waiters, word, others, Some(deadline));
        (guard, result)
    }

    /// Waits as long as `condition` says so.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// Wakes one who waits.
    pub fn notify_one(&self) {
        words::notify(&self.word, &self.waiters, 1);
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) {
        words::notify(&self.word, &self.waiters, usize::MAX);
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}
