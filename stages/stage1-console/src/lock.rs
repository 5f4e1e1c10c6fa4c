//! The kernel's spinlock.
//!
//! It masks events on its vCPU while it is held: what an event's handler may need is locked in the same way, and
//! nothing that holds it is interrupted. Where another vCPU holds it for long, the wait offers the processor, as the
//! holder's vCPU may not even have one.
//!
//! Invariant: events are as they were before once the guard is gone, and guards go in the opposite order to that in
//! which they came.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

use spin::mutex::{SpinMutex, SpinMutexGuard};

use crate::bedrock::cpu;

/// Looks at the lock between two offers of the processor.
const TURNS: u32 = 1000;

/// Something that one vCPU at a time may use, with events masked.
pub struct Lock<T: ?Sized> {
    inner: SpinMutex<T>,
}

/// The right to use it.
pub struct Guard<'a, T: ?Sized> {
    inner: ManuallyDrop<SpinMutexGuard<'a, T>>,
    masked_before: bool,
    /// A guard belongs to the vCPU that took it.
    _here: PhantomData<*mut ()>,
}

impl<T> Lock<T> {
    /// Locks `value` away.
    pub const fn new(value: T) -> Self {
        Self { inner: SpinMutex::new(value) }
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits for the lock. A vCPU that holds it already waits for ever.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        let masked_before = cpu::mask_events();
        let mut turns = 0;
        loop {
            if let Some(inner) = self.inner.try_lock() {
                return Guard { inner: ManuallyDrop::new(inner), masked_before, _here: PhantomData };
            }
            turns += 1;
            if turns % TURNS == 0 {
                crate::bedrock::offer_processor();
            } else {
                core::hint::spin_loop();
            }
        }
    }

    /// Takes the lock if nobody has it.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        let masked_before = cpu::mask_events();
        match self.inner.try_lock() {
            Some(inner) => Some(Guard { inner: ManuallyDrop::new(inner), masked_before, _here: PhantomData }),
            None => {
                cpu::restore_events(masked_before);
                None
            }
        }
    }

    /// What is locked away, where nobody else can know of the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }
}

impl<T: ?Sized> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this is the one drop, and the guard isn't used behind it.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
        cpu::restore_events(self.masked_before);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let lock = Lock::new(1);
        let mut guard = lock.lock();
        *guard = 2;
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert_eq!(*lock.lock(), 2);
    }
}
