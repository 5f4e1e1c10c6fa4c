//! A lock and a condition, each made of one word and a queue of sleepers: exercise 4c and what stands in front of it.
//!
//! After Ulrich Drepper's "Futexes Are Tricky": as long as nobody has to wait, locking is one atomic operation and no more.
//! The word of a lock is [`FREE`], [`LOCKED`], or [`CONTENDED`]: locked, and somebody may sleep. The word of a condition
//! counts the notifications.
//!
//! Invariant: whoever sleeps for a lock has left [`CONTENDED`] in its word, and so is called when it is unlocked.

use crate::locks as exercise;
use crate::sync::TimedOut;
use crate::sys::{AtomicU32, Ordering};
use crate::time::Nanoseconds;
use crate::wait_queue::{WaitQueue, Waited};

/// Nobody has the lock.
pub const FREE: u32 = 0;
/// Somebody has the lock, and nobody waits for it.
pub const LOCKED: u32 = 1;
/// Somebody has the lock, and others may sleep until it is free.
pub const CONTENDED: u32 = 2;

// ANCHOR: sleepers
/// Where threads sleep for the sake of a word: what exercise 4c works with. The checks have one of their own.
pub trait Sleepers {
    /// Sleeps while the word is `expected`, until woken or until the deadline. The look at the word and the falling asleep
    /// are one step for whoever calls [`wake`](Self::wake) after a change of the word.
    ///
    /// [`Waited::Changed`]: the word was something else. [`Waited::Woken`]: somebody woke a sleeper, for whatever reason;
    /// what the word is now is not said.
    fn wait(&self, word: &AtomicU32, expected: u32, deadline: Option<Nanoseconds>) -> Waited;

    /// Wakes up to `most` sleepers.
    fn wake(&self, most: usize);
}
// ANCHOR_END: sleepers

impl Sleepers for WaitQueue {
    fn wait(&self, word: &AtomicU32, expected: u32, deadline: Option<Nanoseconds>) -> Waited {
        WaitQueue::wait(self, deadline, || word.load(Ordering::SeqCst) == expected)
    }

    fn wake(&self, most: usize) {
        WaitQueue::wake(self, most);
    }
}

/// Takes the lock if it is free; exercise 4c. Returns whether it was.
pub fn try_lock(word: &AtomicU32) -> bool {
    exercise::try_lock(word)
}

/// Takes the lock, and sleeps until it is free where it isn't; exercise 4c.
///
/// # Errors
/// If the deadline passes first. The lock isn't taken then.
pub fn lock(word: &AtomicU32, sleepers: &impl Sleepers, deadline: Option<Nanoseconds>) -> Result<(), TimedOut> {
    exercise::lock(word, sleepers, deadline)
}

/// Gives the lock back, and wakes one sleeper if there may be any; exercise 4c.
pub fn unlock(word: &AtomicU32, sleepers: &impl Sleepers) {
    exercise::unlock(word, sleepers);
}

/// Gives the lock back, sleeps until a notification that comes after that, and takes the lock again; exercise 4c.
///
/// `condition` counts notifications, and `sleepers` are those who wait for one; `word` and `others` are the lock's.
///
/// # Errors
/// If the deadline passes first. The lock is taken again all the same.
pub fn wait<S: Sleepers>(
    condition: &AtomicU32,
    sleepers: &S,
    word: &AtomicU32,
    others: &S,
    deadline: Option<Nanoseconds>,
) -> Result<(), TimedOut> {
    exercise::wait(condition, sleepers, word, others, deadline)
}

/// Notifies up to `most` of those who wait for the condition; exercise 4c.
pub fn notify(condition: &AtomicU32, sleepers: &impl Sleepers, most: usize) {
    exercise::notify(condition, sleepers, most);
}
