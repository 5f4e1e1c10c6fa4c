//! What the primitives stand on: atomics, a spinlock, and a thread that can be put to sleep.
//!
//! In a guest that is this kernel's own scheduler. In a host build it is the threads of `std`, and under `cfg(loom)` those
//! of loom, which tries every order in which they could run: so one source is used, tested, and modelled.
//!
//! Invariant: a call of `unpark` that comes before its `park` isn't lost: that `park` returns at once.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

#[cfg(not(loom))]
pub use console::lock::{Guard, Lock};
#[cfg(loom)]
pub use modelled::Lock;

#[cfg(guest)]
pub(crate) use crate::thread::sleeper::{after_wake, current, park, unpark};
#[cfg(not(guest))]
pub(crate) use hosted::{after_wake, current, park, unpark};

/// Whoever sleeps: what [`unpark`] takes.
#[cfg(guest)]
pub(crate) type Handle = crate::thread::sleeper::Sleeper;
/// Whoever sleeps: what [`unpark`] takes.
#[cfg(all(not(guest), not(loom)))]
pub(crate) type Handle = std::thread::Thread;
/// Whoever sleeps: what [`unpark`] takes.
#[cfg(loom)]
pub(crate) type Handle = loom::thread::Thread;

/// A thread that may be woken when it doesn't wait any more, or has ended.
#[cfg(guest)]
pub(crate) type Thread = crate::thread::Thread;
/// A thread that may be woken when it doesn't wait any more, or has ended.
#[cfg(not(guest))]
pub(crate) type Thread = Handle;

/// The thread that runs.
#[cfg(guest)]
pub(crate) fn this_thread() -> Thread {
    crate::thread::current()
}
/// The thread that runs.
#[cfg(not(guest))]
pub(crate) fn this_thread() -> Thread {
    current()
}

/// Ends a thread's [`park`], or has its next one return at once.
pub(crate) fn rouse(thread: &Thread) {
    #[cfg(guest)]
    thread.rouse();
    #[cfg(not(guest))]
    thread.unpark();
}

/// A `const fn` wherever loom doesn't make that impossible.
macro_rules! const_fn {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        $visibility const fn $($rest)*
        #[cfg(loom)]
        $(#[$attribute])*
        $visibility fn $($rest)*
    };
}
pub(crate) use const_fn;

#[cfg(not(guest))]
mod hosted {
    #[cfg(loom)]
    use loom::thread;
    #[cfg(not(loom))]
    use std::thread;

    use super::Handle;
    use crate::time::Nanoseconds;

    /// The thread that runs.
    pub fn current() -> Handle {
        thread::current()
    }

    /// Sleeps until [`unpark`], or the deadline; now and then for no reason.
    pub fn park(deadline: Option<Nanoseconds>) {
        match deadline {
            None => thread::park(),
            #[cfg(not(loom))]
            Some(deadline) => {
                thread::park_timeout(core::time::Duration::from_nanos(deadline.0.saturating_sub(crate::time::now().0)));
            }
            #[cfg(loom)]
            Some(_) => thread::yield_now(),
        }
    }

    /// Wakes this thread, or has its next [`park`] return at once.
    pub fn unpark(handle: &Handle) {
        handle.unpark();
    }

    /// Nobody needs to be told that a thread was woken.
    pub fn after_wake() {}
}

#[cfg(loom)]
mod modelled {
    /// The kernel's spinlock, as loom sees it.
    #[derive(Debug)]
    pub struct Lock<T>(loom::sync::Mutex<T>);

    impl<T> Lock<T> {
        /// Locks `value` away.
        pub fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        /// Waits for the lock.
        pub fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}
