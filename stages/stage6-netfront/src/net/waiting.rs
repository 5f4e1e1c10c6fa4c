//! Waiting with a limit, for threads and tasks alike.
//!
//! What a socket does is written once, as a future; a thread runs it by [`block`]. Invariant: whoever looks, and then waits, has left his
//! waker before he looked: a change is seen by one or the other.

use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::task::{Poll, Waker};
use core::time::Duration;

use console::lock::Lock;
use threads::executor::{self, Either};

use super::NetError;

/// Who has to be woken at the next change.
pub(crate) struct Wakers(Lock<Vec<Waker>>);

impl Wakers {
    /// Nobody.
    pub const fn new() -> Self {
        Self(Lock::new(Vec::new()))
    }

    /// Has this one woken at the next change.
    pub fn add(&self, waker: &Waker) {
        let mut wakers = self.0.lock();
        if wakers.iter().any(|known| known.will_wake(waker)) {
            return;
        }
        if wakers.try_reserve(1).is_ok() {
            wakers.push(waker.clone());
        } else {
            drop(wakers);
            waker.wake_by_ref(); // rather too often than never
        }
    }

    /// There was a change.
    pub fn wake(&self) {
        let wakers = core::mem::take(&mut *self.0.lock());
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Waits until `look` finds something; it is asked again after each change.
pub(crate) async fn until<T>(changes: &Wakers, mut look: impl FnMut() -> Option<T>) -> T {
    poll_fn(|context| {
        changes.add(context.waker());
        look().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Waits for a future, but not longer than that.
pub(crate) async fn limited<F: Future>(limit: Option<Duration>, future: F) -> Result<F::Output, NetError> {
    let Some(limit) = limit else { return Ok(future.await) };
    match executor::select(future, executor::sleep(limit)).await {
        Either::First(output) => Ok(output),
        Either::Second(()) => Err(NetError::TimedOut),
    }
}

/// The same for a thread, which sleeps meanwhile.
pub(crate) fn block<F: Future>(limit: Option<Duration>, future: F) -> Result<F::Output, NetError> {
    executor::block_on(limited(limit, future))
}
