//! Whether a task is to be polled.
//!
//! ```text
//! waiting --wake--> queued --a worker takes it--> polled --Pending--> waiting
//!                     ^                             | wake: polled and woken
//!                     +-----------Pending-----------+
//! ```
//!
//! Invariants: a task is queued by exactly one of those who wake it and the worker that has polled it. A wake-up while it is polled
//! has it polled once more: what it waits for may have come right after it looked. And whatever was done before a wake-up is seen
//! by the next poll: so every step here both reads and writes the stage, even where it stays what it is. A mere look at "queued"
//! could be overtaken by what the waker has written before, in the processor's store buffer, and then nobody polls again.

use crate::sys::{AtomicU8, Ordering};

const WAITING: u8 = 0;
const QUEUED: u8 = 1;
const POLLED: u8 = 2;
const WOKEN: u8 = 3;
const DONE: u8 = 4;

/// Whether a task is to be polled.
pub(crate) struct Stage(AtomicU8);

impl Stage {
    /// A new task, which is about to be put into the queue.
    pub(crate) fn queued() -> Self {
        Self(AtomicU8::new(QUEUED))
    }

    // ANCHOR: wake
    /// By anybody. `true`: the task has to be put into the queue by whoever calls this.
    #[must_use]
    pub(crate) fn wake(&self) -> bool {
        let mut stage = self.0.load(Ordering::Relaxed);
        loop {
            let next = match stage {
                WAITING => QUEUED,
                POLLED => WOKEN,
                other => other, // it will be polled anyway, or is done
            };
            match self.0.compare_exchange_weak(stage, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return stage == WAITING,
                Err(now) => stage = now,
            }
        }
    }
    // ANCHOR_END: wake

    /// By the worker that has taken it out of the queue and polls it now.
    pub(crate) fn begin(&self) {
        self.0.swap(POLLED, Ordering::AcqRel);
    }

    /// By the same worker: the task waits. `true`: it was woken meanwhile, and the worker has to put it into the queue.
    #[must_use]
    pub(crate) fn wait(&self) -> bool {
        let woken = self.0.compare_exchange(POLLED, WAITING, Ordering::AcqRel, Ordering::Acquire).is_err();
        if woken {
            self.0.swap(QUEUED, Ordering::AcqRel); // it was `WOKEN`, and may be so once more
        }
        woken
    }

    /// By the same worker: there is nothing left to poll.
    pub(crate) fn done(&self) {
        self.0.store(DONE, Ordering::Release);
    }
}
