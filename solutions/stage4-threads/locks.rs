//! Reference for exercise 4c: a lock and a condition.

use crate::sync::{CONTENDED, FREE, LOCKED, Sleepers, TimedOut};
use crate::sys::{AtomicU32, Ordering};
use crate::time::Nanoseconds;
use crate::wait_queue::Waited;

/// Takes the lock if it is `FREE`.
pub fn try_lock(word: &AtomicU32) -> bool {
    word.compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

/// Takes the lock.
pub fn lock(word: &AtomicU32, sleepers: &impl Sleepers, deadline: Option<Nanoseconds>) -> Result<(), TimedOut> {
    if try_lock(word) {
        return Ok(());
    }
    // From here on this thread has slept, or is about to: it takes the lock as contended, since others may sleep too.
    while word.swap(CONTENDED, Ordering::Acquire) != FREE {
        if sleepers.wait(word, CONTENDED, deadline) == Waited::TimedOut {
            return Err(TimedOut);
        }
    }
    Ok(())
}

/// Gives the lock back.
pub fn unlock(word: &AtomicU32, sleepers: &impl Sleepers) {
    if word.swap(FREE, Ordering::Release) == CONTENDED {
        sleepers.wake(1);
    }
}

/// Gives the lock back, sleeps until a notification that comes after that, and takes the lock again.
pub fn wait<S: Sleepers>(
    condition: &AtomicU32,
    sleepers: &S,
    word: &AtomicU32,
    others: &S,
    deadline: Option<Nanoseconds>,
) -> Result<(), TimedOut> {
    // Read under the lock: whatever is notified after the unlocking changes it, and the sleep doesn't begin.
    let seen = condition.load(Ordering::Relaxed);
    unlock(word, others);
    let waited = sleepers.wait(condition, seen, deadline);
    let _ = lock(word, others, None);
    if waited == Waited::TimedOut { Err(TimedOut) } else { Ok(()) }
}

/// Notifies up to `most` of those who wait.
pub fn notify(condition: &AtomicU32, sleepers: &impl Sleepers, most: usize) {
    condition.fetch_add(1, Ordering::Release);
    sleepers.wake(most);
}
