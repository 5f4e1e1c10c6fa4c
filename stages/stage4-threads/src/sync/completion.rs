//! Something that happens once.
//!
//! Invariant: once it has happened, nobody waits for it. It may happen in an event's handler.

use super::TimedOut;
use crate::sys::{self, AtomicBool, Ordering};
use crate::time::Nanoseconds;
use crate::wait_queue::{WaitQueue, Waited};

/// Something that threads wait for until it has happened.
pub struct Completion {
    done: AtomicBool,
    waiters: WaitQueue,
}

impl Completion {
    sys::const_fn! {
        /// It has not happened yet.
        pub fn new() -> Self {
            Self { done: AtomicBool::new(false), waiters: WaitQueue::new() }
        }
    }

    /// It has happened: all who wait go on.
    pub fn complete(&self) {
        self.done.store(true, Ordering::SeqCst);
        self.waiters.wake(usize::MAX);
    }

    /// Whether it has happened.
    pub fn is_complete(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Waits until it has happened.
    pub fn wait(&self) {
        let _ = self.wait_for(None);
    }

    /// Waits until it has happened, or the deadline.
    ///
    /// # Errors
    /// If the deadline passes first.
    pub fn wait_until(&self, deadline: Nanoseconds) -> Result<(), TimedOut> {
        self.wait_for(Some(deadline))
    }

    fn wait_for(&self, deadline: Option<Nanoseconds>) -> Result<(), TimedOut> {
        while !self.is_complete() {
            let waited = self.waiters.wait(deadline, || !self.is_complete());
            if waited == Waited::TimedOut && !self.is_complete() {
                return Err(TimedOut);
            }
        }
        Ok(())
    }
}

impl Default for Completion {
    fn default() -> Self {
        Self::new()
    }
}
