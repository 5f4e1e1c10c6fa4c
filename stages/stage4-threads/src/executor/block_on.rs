//! A future on a thread of its own.
//!
//! Invariant: a waker that is called, at whatever moment, has the future polled once more. That the thread was woken isn't enough
//! to know it by: a future may wait in the middle of a poll, for a mutex perhaps, and that wait takes a wake-up as its own.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use alloc::sync::Arc;
use alloc::task::Wake;

use crate::sys::{self, AtomicBool, Ordering};

// ANCHOR: block_on
/// Runs a future on this thread until it is done. The thread sleeps while the future waits.
///
/// # Panics
/// If there is no memory for the waker, some 40 bytes. And as all that waits: with events masked.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let sleeper = Arc::new(Sleeping { thread: sys::this_thread(), called: AtomicBool::new(false) });
    let waker = Waker::from(sleeper.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        while !sleeper.called.swap(false, Ordering::AcqRel) {
            sys::park(None); // at once, if the waker was called since the look
        }
    }
}
// ANCHOR_END: block_on

struct Sleeping {
    thread: sys::Thread,
    /// The waker was called since the future was last polled.
    called: AtomicBool,
}

impl Wake for Sleeping {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.called.swap(true, Ordering::AcqRel);
        sys::rouse(&self.thread);
    }
}
