//! A mutex without data, in the kinds of POSIX (`pthread_mutexattr_settype`).
//!
//! Nothing ties its unlocking to its locking, so both can go wrong, and say so: stage 8 makes the errors of
//! `pthread_mutex_lock` out of [`LockError`]. Invariant: the owner's number is that of the thread that has it, or 0.

use core::fmt;

use super::{TimedOut, order, words};
use crate::sys::{self, AtomicU32, AtomicU64, Ordering};
use crate::time::Nanoseconds;
use crate::wait_queue::WaitQueue;

/// What happens when a thread locks what it has locked already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It waits for ever.
    Plain,
    /// It locks again, and has to unlock as often.
    Recursive,
    /// It gets an error.
    ErrorCheck,
}

/// Why a mutex was not locked, or not unlocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockError {
    /// This thread has it already (`EDEADLK`).
    Deadlock,
    /// This thread doesn't have it (`EPERM`); the owner's number, 0 if nobody has it.
    NotOwner(u64),
    /// It is taken, and was not to be waited for (`EBUSY`).
    Busy,
    /// The deadline passed (`ETIMEDOUT`).
    TimedOut,
    /// It was locked too often for a count (`EAGAIN`).
    TooOften,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadlock => f.write_str("the thread has the mutex already"),
            Self::NotOwner(0) => f.write_str("nobody has the mutex"),
            Self::NotOwner(owner) => write!(f, "thread {owner} has the mutex"),
            Self::Busy => f.write_str("the mutex is taken"),
            Self::TimedOut => f.write_str("the deadline passed"),
            Self::TooOften => f.write_str("the mutex was locked too often"),
        }
    }
}

impl core::error::Error for LockError {}

/// A mutex without data.
pub struct RawMutex {
    kind: Kind,
    word: AtomicU32,
    owner: AtomicU64,
    /// How often the owner has locked it beyond the first time; touched by the owner alone.
    again: AtomicU32,
    waiters: WaitQueue,
    class: order::Class,
}

impl RawMutex {
    sys::const_fn! {
        /// A mutex that nobody has.
        #[track_caller]
        pub fn new(kind: Kind) -> Self {
            Self {
                kind,
                word: AtomicU32::new(words::FREE),
                owner: AtomicU64::new(0),
                again: AtomicU32::new(0),
                waiters: WaitQueue::new(),
                class: order::Class::here(),
            }
        }
    }

    /// Locks it for the thread with the number `me`, waiting until the deadline at most.
    ///
    /// # Errors
    /// [`LockError::Deadlock`], [`LockError::TooOften`] or [`LockError::TimedOut`].
    pub fn lock(&self, me: u64, deadline: Option<Nanoseconds>) -> Result<(), LockError> {
        if self.kind != Kind::Plain && self.owner.load(Ordering::Relaxed) == me {
            return self.lock_again(LockError::Deadlock);
        }
        order::about_to_lock(&self.class);
        words::lock(&self.word, &self.waiters, deadline).map_err(|TimedOut| LockError::TimedOut)?;
        self.taken_by(me);
        Ok(())
    }

    /// Locks it if it is free, or this thread's and recursive.
    ///
    /// # Errors
    /// [`LockError::Busy`] or [`LockError::TooOften`].
    pub fn try_lock(&self, me: u64) -> Result<(), LockError> {
        if self.kind != Kind::Plain && self.owner.load(Ordering::Relaxed) == me {
            return self.lock_again(LockError::Busy);
        }
        if !words::try_lock(&self.word) {
            return Err(LockError::Busy);
        }
        self.taken_by(me);
        Ok(())
    }

    /// Unlocks it.
    ///
    /// # Errors
    /// [`LockError::NotOwner`] if the thread with the number `me` doesn't have it. It stays as it is then.
    pub fn unlock(&self, me: u64) -> Result<(), LockError> {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner != me {
            return Err(LockError::NotOwner(owner));
        }
        let again = self.again.load(Ordering::Relaxed);
        if again > 0 {
            self.again.store(again - 1, Ordering::Relaxed);
            return Ok(());
        }
        self.owner.store(0, Ordering::Relaxed);
        order::unlocked(&self.class);
        words::unlock(&self.word, &self.waiters);
        Ok(())
    }

    fn taken_by(&self, me: u64) {
        order::locked(&self.class);
        self.owner.store(me, Ordering::Relaxed);
    }

    fn lock_again(&self, otherwise: LockError) -> Result<(), LockError> {
        if self.kind != Kind::Recursive {
            return Err(otherwise);
        }
        let again = self.again.load(Ordering::Relaxed);
        self.again.store(again.checked_add(1).ok_or(LockError::TooOften)?, Ordering::Relaxed);
        Ok(())
    }
}
