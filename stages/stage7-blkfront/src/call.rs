//! A request that was made, and how it ended.
//!
//! Invariant: how it ended is decided once, by whoever is first: the backend that answers, or whoever gives up on it. It is taken once.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use alloc::sync::Arc;
use console::lock::Lock;

use crate::error::Reason;
use crate::pages::Pages;

/// How it ended: with the pages of its data, if it has any, or not.
pub type End = Result<Option<Pages>, Reason>;

/// A request that somebody waits for.
pub struct Call(Lock<State>);

#[derive(Default)]
struct State {
    /// It has ended, whether or not anybody has taken the end yet.
    over: bool,
    end: Option<End>,
    waker: Option<Waker>,
}

impl Default for Call {
    fn default() -> Self {
        Self(Lock::new(State::default()))
    }
}

impl Call {
    /// It has ended, unless it had already. This may be called in an event's handler. Returns whether it was the end.
    pub fn finish(&self, end: End) -> bool {
        let mut state = self.0.lock();
        if state.over {
            return false; // and the pages go back, outside of the lock
        }
        state.over = true;
        state.end = Some(end);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

/// The end of a request, to be awaited. Dropping it doesn't stop the request.
pub struct Pending(pub Arc<Call>);

impl Future for Pending {
    type Output = End;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        let waker = context.waker().clone();
        let mut state = self.0.0.lock();
        match state.end.take() {
            Some(end) => Poll::Ready(end),
            None => {
                let old = state.waker.replace(waker);
                drop(state);
                drop(old);
                Poll::Pending
            }
        }
    }
}
