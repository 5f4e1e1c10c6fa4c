//! Data that many threads read and one at a time writes.
//!
//! The word counts the readers; a writer makes it the largest number. Writers go first: where one waits, no further
//! reader gets in, so that readers can't keep a writer out for ever. A stream of writers does keep readers out.
//!
//! Invariant: whoever makes the word 0 wakes those whose turn it is, and so does the last writer that gives up waiting.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::{TimedOut, order};
use crate::sys::{self, AtomicU32, Ordering};
use crate::time::Nanoseconds;
use crate::wait_queue::{WaitQueue, Waited};

/// Data that many read.
pub struct RwLock<T: ?Sized> {
    /// How many read, or [`WRITER`].
    word: AtomicU32,
    writers_waiting: AtomicU32,
    readers: WaitQueue,
    writers: WaitQueue,
    class: order::Class,
    data: UnsafeCell<T>,
}

const WRITER: u32 = u32::MAX;

/// The right to read.
pub struct ReadGuard<'a, T: ?Sized>(&'a RwLock<T>, PhantomData<*mut ()>);

/// The right to write.
pub struct WriteGuard<'a, T: ?Sized>(&'a RwLock<T>, PhantomData<*mut ()>);

// SAFETY: the data goes from thread to thread.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: several threads read the data at a time, one writes it.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    sys::const_fn! {
        /// Locks `data` away.
        #[track_caller]
        pub fn new(data: T) -> Self {
            Self {
                word: AtomicU32::new(0),
                writers_waiting: AtomicU32::new(0),
                readers: WaitQueue::new(),
                writers: WaitQueue::new(),
                class: order::Class::here(),
                data: UnsafeCell::new(data),
            }
        }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until it may read.
    pub fn read(&self) -> ReadGuard<'_, T> {
        match self.read_or_wait(None) {
            Ok(guard) => guard,
            Err(TimedOut) => unreachable!("a wait without a deadline timed out"),
        }
    }

    /// Waits until it may read, or the deadline.
    ///
    /// # Errors
    /// If the deadline passes first.
    pub fn read_until(&self, deadline: Nanoseconds) -> Result<ReadGuard<'_, T>, TimedOut> {
        self.read_or_wait(Some(deadline))
    }

    /// Begins to read if nobody writes, or waits to.
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        let more =
            |word: u32| (word < WRITER - 1 && self.writers_waiting.load(Ordering::SeqCst) == 0).then(|| word + 1);
        let taken = self.word.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).is_ok();
        taken.then(|| {
            order::locked(&self.class);
            ReadGuard(self, PhantomData)
        })
    }

    /// Waits until it may write.
    pub fn write(&self) -> WriteGuard<'_, T> {
        match self.write_or_wait(None) {
            Ok(guard) => guard,
            Err(TimedOut) => unreachable!("a wait without a deadline timed out"),
        }
    }

    /// Waits until it may write, or the deadline.
    ///
    /// # Errors
    /// If the deadline passes first.
    pub fn write_until(&self, deadline: Nanoseconds) -> Result<WriteGuard<'_, T>, TimedOut> {
        self.write_or_wait(Some(deadline))
    }

    /// Begins to write if nobody reads or writes.
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        let taken = self.word.compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed).is_ok();
        taken.then(|| {
            order::locked(&self.class);
            WriteGuard(self, PhantomData)
        })
    }

    fn read_or_wait(&self, deadline: Option<Nanoseconds>) -> Result<ReadGuard<'_, T>, TimedOut> {
        order::about_to_lock(&self.class);
        loop {
            if let Some(guard) = self.try_read() {
                return Ok(guard);
            }
            let closed =
                || self.word.load(Ordering::SeqCst) >= WRITER - 1 || self.writers_waiting.load(Ordering::SeqCst) > 0;
            if self.readers.wait(deadline, closed) == Waited::TimedOut {
                return Err(TimedOut);
            }
        }
    }

    fn write_or_wait(&self, deadline: Option<Nanoseconds>) -> Result<WriteGuard<'_, T>, TimedOut> {
        order::about_to_lock(&self.class);
        if let Some(guard) = self.try_write() {
            return Ok(guard);
        }
        self.writers_waiting.fetch_add(1, Ordering::SeqCst);
        loop {
            let guard = self.try_write();
            let waited = match &guard {
                Some(_) => Waited::Changed,
                None => self.writers.wait(deadline, || self.word.load(Ordering::SeqCst) != 0),
            };
            if guard.is_some() || waited == Waited::TimedOut {
                let last = self.writers_waiting.fetch_sub(1, Ordering::SeqCst) == 1;
                if last && guard.is_none() {
                    self.readers.wake(usize::MAX); // they may only have waited for this one
                }
                return guard.ok_or(TimedOut);
            }
        }
    }

    /// Wakes those whose turn it is: a writer, or, where none sleeps, all readers.
    fn released(&self) {
        if self.writers.wake(1) == 0 {
            self.readers.wake(usize::MAX);
        }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        order::unlocked(&self.0.class);
        if self.0.word.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.released();
        }
    }
}

impl<T: ?Sized> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        order::unlocked(&self.0.class);
        self.0.word.store(0, Ordering::SeqCst);
        self.0.released();
    }
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: nobody writes while there is a reader.
        unsafe { &*self.0.data.get() }
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: nobody else reads or writes while there is a writer.
        unsafe { &*self.0.data.get() }
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.data.get() }
    }
}
