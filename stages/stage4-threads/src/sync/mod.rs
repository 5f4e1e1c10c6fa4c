//! Waiting for one another: locks, conditions, and their kin.
//!
//! All of them sleep in a [`WaitQueue`](crate::wait_queue::WaitQueue), and use no processor while they do. Each that can
//! wait has a variant with a deadline. None may be waited for with events masked, and so neither in an event's handler nor
//! under a [`Lock`](console::lock::Lock): that is a panic which says so.
//!
//! | kind | for |
//! |---|---|
//! | [`Mutex`], [`Condvar`] | data of which one thread at a time has the use, and waiting for it to change (exercise 4c) |
//! | [`RawMutex`] | the same without data, in the kinds of POSIX |
//! | [`RwLock`] | data that many read |
//! | [`Semaphore`] | a number of permits |
//! | [`Barrier`] | threads that go on together |
//! | [`Once`] | what is done by the first who comes |
//! | [`Completion`] | something that happens once, also in an interrupt |

mod barrier;
mod completion;
mod condvar;
mod mutex;
mod once;
pub mod order;
mod raw_mutex;
mod rwlock;
mod semaphore;
mod words;

pub use barrier::Barrier;
pub use completion::Completion;
pub use condvar::Condvar;
pub use mutex::{Mutex, MutexGuard};
pub use once::Once;
pub use raw_mutex::{Kind, LockError, RawMutex};
pub use rwlock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{Overflow, Semaphore};
pub use words::{CONTENDED, FREE, LOCKED, Sleepers, lock, notify, try_lock, unlock, wait};

/// The deadline passed before what was waited for came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimedOut;

impl core::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the deadline passed")
    }
}

impl core::error::Error for TimedOut {}
