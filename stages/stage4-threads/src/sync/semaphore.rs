//! A number of permits.
//!
//! Invariant: permits taken minus permits given never exceeds what there were in the beginning.

use core::fmt;

use super::TimedOut;
use crate::sys::{self, AtomicU32, Ordering};
use crate::time::Nanoseconds;
use crate::wait_queue::{WaitQueue, Waited};

/// Permits, taken one at a time, slept for where there is none.
pub struct Semaphore {
    permits: AtomicU32,
    waiters: WaitQueue,
}

/// A semaphore can't count that far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overflow;

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore can't count that far")
    }
}

impl core::error::Error for Overflow {}

impl Semaphore {
    sys::const_fn! {
        /// With so many permits.
        pub fn new(permits: u32) -> Self {
            Self { permits: AtomicU32::new(permits), waiters: WaitQueue::new() }
        }
    }

    /// Takes a permit, and sleeps until there is one.
    pub fn acquire(&self) {
        let _ = self.take(None);
    }

    /// Takes a permit, and sleeps until there is one or the deadline passes.
    ///
    /// # Errors
    /// If there is none at the deadline.
    pub fn acquire_until(&self, deadline: Nanoseconds) -> Result<(), TimedOut> {
        self.take(Some(deadline))
    }

    /// Takes a permit if there is one.
    pub fn try_acquire(&self) -> bool {
        self.permits.fetch_update(Ordering::Acquire, Ordering::Relaxed, |permits| permits.checked_sub(1)).is_ok()
    }

    /// Gives a permit. This may be done in an event's handler.
    ///
    /// # Errors
    /// If there are `u32::MAX` already.
    pub fn release(&self) -> Result<(), Overflow> {
        let more = |permits: u32| permits.checked_add(1);
        self.permits.fetch_update(Ordering::Release, Ordering::Relaxed, more).map_err(|_| Overflow)?;
        self.waiters.wake(1);
        Ok(())
    }

    /// How many permits there are at this moment.
    pub fn available(&self) -> u32 {
        self.permits.load(Ordering::Relaxed)
    }

    fn take(&self, deadline: Option<Nanoseconds>) -> Result<(), TimedOut> {
        while !self.try_acquire() {
            let waited = self.waiters.wait(deadline, || self.permits.load(Ordering::SeqCst) == 0);
            if waited == Waited::TimedOut && !self.try_acquire() {
                return Err(TimedOut);
            }
            if waited == Waited::TimedOut {
                return Ok(());
            }
        }
        Ok(())
    }
}
