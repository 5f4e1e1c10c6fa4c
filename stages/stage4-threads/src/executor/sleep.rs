//! Tasks that wait for a point in time.
//!
//! The waker that is to be called lies in the future itself, which stays where it is from its first poll on: so waiting takes
//! no memory but the timer's. Invariant: the timer's function never finds it gone: dropping the timer, which comes first, waits
//! for that function.

use core::future::Future;
use core::marker::PhantomPinned;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use events::timer::{self, Timer};

use crate::sys::Lock;
use crate::time::{Nanoseconds, after, now};

/// Waits for so long, and not less.
pub fn sleep(span: Duration) -> Sleep {
    sleep_until(after(span))
}

/// Waits until then, and not less.
pub fn sleep_until(deadline: Nanoseconds) -> Sleep {
    Sleep { timer: None, waker: Lock::new(None), deadline, _stays: PhantomPinned }
}

/// A future that is done at its deadline. Where there is no memory for a timer, its task is polled over and over instead.
pub struct Sleep {
    timer: Option<Timer>, // before the waker, as fields are dropped in order
    waker: Lock<Option<Waker>>,
    deadline: Nanoseconds,
    _stays: PhantomPinned,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // SAFETY: nothing is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        if now() >= this.deadline {
            this.timer = None;
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        let old = this.waker.lock().replace(waker);
        drop(old); // outside of the spinlock
        if this.timer.is_none() {
            match timer::set(this.deadline, fire, (&raw const this.waker).expose_provenance()) {
                Ok(timer) => this.timer = Some(timer),
                Err(_) => context.waker().wake_by_ref(),
            }
        }
        Poll::Pending
    }
}

/// The timer's function.
fn fire(waker: usize) {
    // SAFETY: it belongs to a `Sleep`, which stays where it is until its timer has been dropped.
    let waker = unsafe { &*core::ptr::with_exposed_provenance::<Lock<Option<Waker>>>(waker) };
    let waker = waker.lock().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}
