//! Tasks that wait for a point in time.
//!
//! Invariant: the timer's function never finds its task's waker gone: dropping the timer, which comes first, waits for it.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use alloc::boxed::Box;
use events::timer::{self, Timer};

use crate::sys::Lock;
use crate::time::{Nanoseconds, after, now};

/// Waits for so long, and not less.
pub fn sleep(span: Duration) -> Sleep {
    sleep_until(after(span))
}

/// Waits until then, and not less.
pub fn sleep_until(deadline: Nanoseconds) -> Sleep {
    Sleep { deadline, timer: None, waker: None }
}

/// A future that is done at its deadline.
pub struct Sleep {
    deadline: Nanoseconds,
    timer: Option<Timer>, // before the waker, as fields are dropped in order
    waker: Option<Box<Lock<Option<Waker>>>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if now() >= self.deadline {
            self.timer = None;
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        if let Some(slot) = &self.waker {
            let old = slot.lock().replace(waker);
            drop(old);
        } else {
            self.waker = Some(Box::new(Lock::new(Some(waker))));
        }
        if self.timer.is_none()
            && let Some(slot) = &self.waker
        {
            let argument = core::ptr::from_ref(&**slot).expose_provenance();
            match timer::set(self.deadline, fire, argument) {
                Ok(timer) => self.timer = Some(timer),
                // No memory for a timer: then this task is polled over and over, rather than never again.
                Err(_) => context.waker().wake_by_ref(),
            }
        }
        Poll::Pending
    }
}

/// The timer's function.
fn fire(slot: usize) {
    // SAFETY: the slot belongs to a `Sleep` whose timer has not been dropped yet.
    let slot = unsafe { &*core::ptr::with_exposed_provenance::<Lock<Option<Waker>>>(slot) };
    let waker = slot.lock().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}
