//! The kernel's spinlock.
//!
//! It masks events on its vCPU while it is held: what an event's handler may need is locked in the same way, and
//! nothing that holds it is interrupted. Where another vCPU holds it for long, the wait offers the processor, as the
//! holder's vCPU may not even have one.
//!
//! Invariant: events are as they were before once the guard is gone, and guards go in the opposite order to that in
//! which they came. A vCPU that waits for what it holds itself is told so, rather than waiting for ever.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::bedrock::cpu;

/// Looks at the lock between two offers of the processor.
const TURNS: u32 = 1000;
/// Nobody has it.
const FREE: u32 = 0;

/// Something that one vCPU at a time may use, with events masked.
pub struct Lock<T: ?Sized> {
    /// The number of the vCPU that has it, plus 1, or [`FREE`].
    owner: AtomicU32,
    value: UnsafeCell<T>,
}

/// The right to use it.
pub struct Guard<'a, T: ?Sized> {
    lock: &'a Lock<T>,
    masked_before: bool,
    /// A guard belongs to the vCPU that took it.
    _here: PhantomData<*mut ()>,
}

// SAFETY: the value goes from vCPU to vCPU, and one at a time has it.
unsafe impl<T: ?Sized + Send> Send for Lock<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Lock<T> {}
// SAFETY: through a shared guard others can only read the value.
unsafe impl<T: ?Sized + Sync> Sync for Guard<'_, T> {}

impl<T> Lock<T> {
    /// Locks `value` away.
    pub const fn new(value: T) -> Self {
        Self { owner: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits for the lock.
    ///
    /// # Panics
    /// If this vCPU holds it already: nobody else could give it back.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Guard<'_, T> {
        let masked_before = cpu::mask_events();
        if !self.take() {
            self.wait();
        }
        Guard { lock: self, masked_before, _here: PhantomData }
    }

    /// Takes the lock if nobody has it.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        let masked_before = cpu::mask_events();
        if self.take() {
            return Some(Guard { lock: self, masked_before, _here: PhantomData });
        }
        cpu::restore_events(masked_before);
        None
    }

    /// Whether this vCPU holds it.
    pub fn is_held_here(&self) -> bool {
        // In a host build the threads of a test are one vCPU.
        cfg!(guest) && self.owner.load(Ordering::Relaxed) == me()
    }

    /// What is locked away, where nobody else can know of the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    fn take(&self) -> bool {
        self.owner.compare_exchange(FREE, me(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Looks again and again until it is taken.
    #[cold]
    #[track_caller]
    fn wait(&self) {
        assert!(
            !self.is_held_here(),
            "vCPU {} waits for a lock of {}, which it holds",
            me() - 1,
            core::any::type_name::<T>()
        );
        let mut turns = 0;
        while self.owner.load(Ordering::Relaxed) != FREE || !self.take() {
            turns += 1;
            if turns % TURNS == 0 {
                crate::bedrock::offer_processor();
            } else {
                core::hint::spin_loop();
            }
        }
    }
}

/// What stands in a lock that this vCPU holds. Events are masked, so it stays on it.
#[inline]
fn me() -> u32 {
    cpu::current().id() + 1
}

impl<T: ?Sized> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the right to use the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard isn't shared.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.owner.store(FREE, Ordering::Release);
        cpu::restore_events(self.masked_before);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_tuple("Lock").field(&&*guard).finish(),
            None => f.write_str("Lock(held)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn one_at_a_time() {
        let lock = Lock::new(1);
        let mut guard = lock.lock();
        *guard = 2;
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert_eq!(*lock.lock(), 2);
    }

    #[test]
    fn nothing_that_is_done_under_it_is_lost() {
        let lock = Arc::new(Lock::new(0_u64));
        let threads: [_; 4] = core::array::from_fn(|_| {
            let lock = lock.clone();
            std::thread::spawn(move || (0..20_000).for_each(|_| *lock.lock() += 1))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*lock.lock(), 80_000);
    }
}
