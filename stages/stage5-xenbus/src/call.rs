//! A request that was made, and its reply.
//!
//! Whoever made it can sleep until the reply is there, or `await` it. Invariant: a call is finished once, and its reply is
//! taken once.

use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

use console::lock::Lock;
use threads::sync::{Completion, TimedOut};
use threads::time::Nanoseconds;

use crate::protocol::{Kind, StoreError};

/// What came back, or why not.
pub type Reply = Result<Vec<u8>, StoreError>;

/// A request and its reply.
pub struct Call {
    kind: Kind,
    done: Completion,
    state: Lock<State>,
}

struct State {
    reply: Option<Reply>,
    waker: Option<Waker>,
}

impl Call {
    /// A call without a reply yet, for a request of this kind.
    pub fn new(kind: Kind) -> Self {
        Self { kind, done: Completion::new(), state: Lock::new(State { reply: None, waker: None }) }
    }

    /// The kind of the request.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its reply has come. This may be called in an event's handler.
    pub fn finish(&self, reply: Reply) {
        let mut state = self.state.lock();
        state.reply = Some(reply);
        let waker = state.waker.take();
        drop(state);
        self.done.complete();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Sleeps until the reply is there, and takes it.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`] at the deadline; else what the reply says.
    pub fn wait(&self, deadline: Nanoseconds) -> Reply {
        self.done.wait_until(deadline).map_err(|TimedOut| StoreError::TimedOut)?;
        self.state.lock().reply.take().unwrap_or(Err(StoreError::Garbled))
    }

    /// Takes the reply if it is there; otherwise has the task woken when it is.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Reply> {
        let mut state = self.state.lock();
        match state.reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
