//! A request that was made, and how it ended.
//!
//! Invariant: it is finished once, and its end is taken once.

use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use alloc::sync::Arc;
use console::lock::Lock;
use xenbus::grants::SharedPage;

use crate::error::Reason;

/// How it ended: with the pages of its data, or not.
pub type End = Result<Vec<SharedPage>, Reason>;

/// A request that somebody waits for.
pub struct Call(Lock<State>);

#[derive(Default)]
struct State {
    end: Option<End>,
    waker: Option<Waker>,
}

impl Default for Call {
    fn default() -> Self {
        Self(Lock::new(State::default()))
    }
}

impl Call {
    /// It has ended. This may be called in an event's handler.
    pub fn finish(&self, end: End) {
        let mut state = self.0.lock();
        state.end = Some(end);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The end of a request, to be awaited. Dropping it doesn't stop the request.
pub struct Pending(pub Arc<Call>);

impl Future for Pending {
    type Output = End;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        let mut state = self.0.0.lock();
        match state.end.take() {
            Some(end) => Poll::Ready(end),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
