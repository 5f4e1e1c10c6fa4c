//! Exercise 4c: a lock and a condition. (Its reference is solutions/stage4-threads/locks.rs.)
//!
//! [`sync`](crate::sync) describes the words and the two operations of [`Sleepers`].

use crate::lab_todo;
use crate::sync::{Sleepers, TimedOut};
use crate::sys::AtomicU32;
use crate::time::Nanoseconds;

/// Takes the lock if it is `FREE`: one atomic operation. Returns whether it was.
pub fn try_lock(word: &AtomicU32) -> bool {
    lab_todo!("4c", word)
}

/// Takes the lock. Where it isn't free, leaves `CONTENDED` in the word and sleeps, as often as it takes.
///
/// - A lock that is free is taken without a look at the sleepers.
/// - Being woken doesn't mean that the lock is free: another thread may have been quicker.
/// - Whoever has slept takes the lock as `CONTENDED`: there may be more sleepers, and nobody else knows.
/// - If a sleep ends at the deadline: the error, without the lock.
pub fn lock(word: &AtomicU32, sleepers: &impl Sleepers, deadline: Option<Nanoseconds>) -> Result<(), TimedOut> {
    lab_todo!("4c", word, sleepers, deadline)
}

/// Gives the lock back. If somebody may sleep, wakes one, afterwards.
pub fn unlock(word: &AtomicU32, sleepers: &impl Sleepers) {
    lab_todo!("4c", word, sleepers)
}

/// Gives the lock back, sleeps until a notification that comes after that, and takes the lock again.
///
/// - A notification between the unlocking and the falling asleep must not be lost.
/// - The lock is taken again in any case, without a deadline.
/// - If the sleep ended at the deadline: the error.
pub fn wait<S: Sleepers>(
    condition: &AtomicU32,
    sleepers: &S,
    word: &AtomicU32,
    others: &S,
    deadline: Option<Nanoseconds>,
) -> Result<(), TimedOut> {
    lab_todo!("4c", condition, sleepers, word, others, deadline)
}

/// Notifies up to `most` of those who wait: changes the word, then wakes. The word counts modulo 2^32.
pub fn notify(condition: &AtomicU32, sleepers: &impl Sleepers, most: usize) {
    lab_todo!("4c", condition, sleepers, most)
}
