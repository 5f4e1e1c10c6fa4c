//! Who may write to a disk at the same time.
//!
//! A write that isn't made of whole blocks has to read the rest of a block, and write it back. Somebody else's write to that block
//! must not come in between. So such a write has the disk for itself, while all others share it.
//!
//! Invariant: while one has it for itself, nobody else has it.

use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use console::lock::Lock;

/// The right to write, to be shared or not.
pub struct Gate(Lock<State>);

#[derive(Default)]
struct State {
    alone: bool,
    sharing: usize,
    waiting: Vec<Waker>,
}

/// The right, until it is dropped.
pub struct Passage<'a> {
    gate: &'a Gate,
    alone: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self(Lock::new(State::default()))
    }
}

impl Gate {
    /// Waits for the right, to have it alone or to share it.
    pub async fn pass(&self, alone: bool) -> Passage<'_> {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if state.alone || (alone && state.sharing > 0) {
                state.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            if alone {
                state.alone = true;
            } else {
                state.sharing += 1;
            }
            Poll::Ready(Passage { gate: self, alone })
        })
        .await
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.0.lock();
        if self.alone {
            state.alone = false;
        } else {
            state.sharing -= 1;
        }
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}
