//! Data of which one thread at a time has the use.
//!
//! Invariant: the guard is the right to use the data; it can't leave its thread, and gives the lock back when it goes.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::{TimedOut, order, words};
use crate::sys::{self, AtomicU32};
use crate::time::Nanoseconds;
use crate::wait_queue::WaitQueue;

/// Data under a lock that is slept for.
pub struct Mutex<T: ?Sized> {
    word: AtomicU32,
    waiters: WaitQueue,
    class: order::Class,
    data: UnsafeCell<T>,
}

/// The right to use the data.
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// A guard belongs to the thread that took it.
    _here: PhantomData<*mut ()>,
}

// SAFETY: the data goes from thread to thread, and one at a time has it.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: through a shared guard others can only read the data.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    sys::const_fn! {
        /// Locks `data` away.
        #[track_caller]
        pub fn new(data: T) -> Self {
            Self {
                word: AtomicU32::new(words::FREE),
                waiters: WaitQueue::new(),
                class: order::Class::here(),
                data: UnsafeCell::new(data),
            }
        }
    }

    /// The data, by whoever owns the lock itself.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock. A thread that has it already waits for ever.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        match self.acquire(None) {
            Ok(guard) => guard,
            Err(TimedOut) => unreachable!("a wait without a deadline timed out"),
        }
    }

    /// Waits for the lock until the deadline.
    ///
    /// # Errors
    /// If it is still taken then.
    pub fn lock_until(&self, deadline: Nanoseconds) -> Result<MutexGuard<'_, T>, TimedOut> {
        self.acquire(Some(deadline))
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        words::try_lock(&self.word).then(|| self.taken())
    }

    /// The data, where nobody else can know of the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    /// How many sleep until it is free.
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }

    fn acquire(&self, deadline: Option<Nanoseconds>) -> Result<MutexGuard<'_, T>, TimedOut> {
        order::about_to_lock(&self.class);
        words::lock(&self.word, &self.waiters, deadline)?;
        Ok(self.taken())
    }

    fn taken(&self) -> MutexGuard<'_, T> {
        order::locked(&self.class);
        MutexGuard { mutex: self, _here: PhantomData }
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// What the condition variable needs to give the lock back and take it again.
    pub(super) fn parts(&self) -> (&'a AtomicU32, &'a WaitQueue) {
        (&self.mutex.word, &self.mutex.waiters)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard is the right to use the data.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard isn't shared.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        order::unlocked(&self.mutex.class);
        words::unlock(&self.mutex.word, &self.mutex.waiters);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_tuple("Mutex").field(&&*guard).finish(),
            None => f.write_str("Mutex(locked)"),
        }
    }
}
