//! Falling asleep and being woken, when the two happen at the same time on two vCPUs.
//!
//! A thread that falls asleep is, for a moment, neither: it has decided to, but still runs on its own stack until the switch to
//! another thread is done. Whoever wakes it then may not let a second vCPU run it. So the thread's state tells these apart, and
//! the vCPU that leaves it has the last word:
//!
//! ```text
//!  running --prepare--> falling asleep --settle--> asleep
//!     |                     |                        |
//!   wake                  wake                     wake: the waker makes it runnable
//!     v                     v
//!  called: the next       woken: `settle` makes it runnable
//!  prepare fails
//! ```
//!
//! Invariant: of everybody who calls [`Parking::wake`] and the one [`Parking::settle`], exactly one makes the thread
//! runnable, and not before its registers are saved.

use crate::sys::{AtomicU8, Ordering};

const RUNNING: u8 = 0;
const CALLED: u8 = 1;
const FALLING_ASLEEP: u8 = 2;
const WOKEN: u8 = 3;
const ASLEEP: u8 = 4;

/// Whether a thread sleeps.
pub struct Parking(AtomicU8);

impl Parking {
    crate::sys::const_fn! {
        /// A thread that runs, or wants to.
        pub fn new() -> Self {
            Self(AtomicU8::new(RUNNING))
        }
    }

    /// By the thread itself: it is about to sleep. `false` if it was called meanwhile: then it goes on.
    pub fn prepare(&self) -> bool {
        let begun = self.0.compare_exchange(RUNNING, FALLING_ASLEEP, Ordering::Acquire, Ordering::Acquire).is_ok();
        if !begun {
            self.0.store(RUNNING, Ordering::Relaxed); // it was `CALLED`, and nobody changes that but this thread
        }
        begun
    }

    /// By the vCPU that has left the thread, its registers being saved: it sleeps now. `false` if it was woken meanwhile: then
    /// it has to be made runnable here.
    pub fn settle(&self) -> bool {
        let asleep = self.0.compare_exchange(FALLING_ASLEEP, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !asleep {
            self.0.store(RUNNING, Ordering::Relaxed); // it was `WOKEN`
        }
        asleep
    }

    /// By anybody. `true` if the thread slept: then it has to be made runnable by whoever calls this.
    #[must_use]
    pub fn wake(&self) -> bool {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            let (next, slept) = match state {
                RUNNING => (CALLED, false),
                FALLING_ASLEEP => (WOKEN, false),
                ASLEEP => (RUNNING, true),
                // The call that is there already does for this one, too; but what was done before it has to be seen.
                other => (other, false),
            };
            match self.0.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return slept,
                Err(now) => state = now,
            }
        }
    }
}

impl Default for Parking {
    fn default() -> Self {
        Self::new()
    }
}
