//! Threads that go on together.
//!
//! Invariant: nobody of a round goes on before all of it have come, and it can be used again at once.

use crate::sys::{self, AtomicU32, Lock, Ordering};
use crate::wait_queue::WaitQueue;

/// A point at which so many threads wait for one another.
pub struct Barrier {
    size: u32,
    arrived: Lock<u32>,
    round: AtomicU32,
    waiters: WaitQueue,
}

impl Barrier {
    sys::const_fn! {
        /// For `size` threads; 0 is like 1.
        pub fn new(size: u32) -> Self {
            Self { size, arrived: Lock::new(0), round: AtomicU32::new(0), waiters: WaitQueue::new() }
        }
    }

    /// Waits until all have come. One of them, the last, gets `true`.
    pub fn wait(&self) -> bool {
        let round = {
            let mut arrived = self.arrived.lock();
            *arrived += 1;
            let round = self.round.load(Ordering::Relaxed);
            if *arrived >= self.size {
                *arrived = 0;
                self.round.store(round.wrapping_add(1), Ordering::SeqCst);
                None
            } else {
                Some(round)
            }
        };
        let Some(round) = round else {
            self.waiters.wake(usize::MAX);
            return true;
        };
        while self.round.load(Ordering::SeqCst) == round {
            self.waiters.wait(None, || self.round.load(Ordering::SeqCst) == round);
        }
        false
    }
}
