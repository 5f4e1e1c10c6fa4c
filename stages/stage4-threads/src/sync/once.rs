//! What is done by the first who comes.
//!
//! Invariant: the value is written once, before anybody sees it, and stays.

use core::cell::UnsafeCell;

use super::Mutex;
use crate::sys::{self, AtomicBool, Ordering};

/// A value that the first who needs it makes; the others wait for it.
pub struct Once<T> {
    done: AtomicBool,
    making: Mutex<()>,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is made in one thread and read in any.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    sys::const_fn! {
        /// There is no value yet.
        #[track_caller]
        pub fn new() -> Self {
            Self { done: AtomicBool::new(false), making: Mutex::new(()), value: UnsafeCell::new(None) }
        }
    }

    /// The value, if it has been made.
    pub fn get(&self) -> Option<&T> {
        if !self.done.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: `done` is set behind the one write.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// The value, made by `make` if there is none yet. A `make` that asks for the value itself waits for ever.
    pub fn call_once(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let guard = self.making.lock();
        if !self.done.load(Ordering::Acquire) {
            let value = make();
            // SAFETY: the mutex is held and `done` isn't set: nobody else looks.
            unsafe { *self.value.get() = Some(value) };
            self.done.store(true, Ordering::Release);
        }
        drop(guard);
        match self.get() {
            Some(value) => value,
            None => unreachable!("the value was made above"),
        }
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}
