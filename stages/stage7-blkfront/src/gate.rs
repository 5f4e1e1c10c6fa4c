//! Who may write to a disk at the same time.
//!
//! A write that isn't made of whole blocks has to read the rest of a block, and write it back. Somebody else's write to that block
//! must not come in between. So such a write has the disk for itself, while all others share it. They come in the order in which they
//! have asked: one that wants the disk for itself is not overtaken by those that would share it.
//!
//! A writer may go before its requests have ended: it has waited for too long, or its task was dropped. Then the gate stays shut until the
//! backend has answered, or the device is gone. A write that came in meanwhile could be overwritten by the old one, with the order in
//! which the program made them turned round. If the backend doesn't answer in time, all who wait are [turned away](Gate::turn_away).
//!
//! Invariant: while one has it for itself, or one that has gone has requests under way, nobody else is let in.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

use console::lock::Lock;

use crate::error::Reason;

/// The right to write, to be shared or not.
#[derive(Default)]
pub struct Gate(Arc<Inner>);

struct Inner(Lock<State>);

impl Default for Inner {
    fn default() -> Self {
        Self(Lock::new(State::default()))
    }
}

#[derive(Default)]
struct State {
    /// One has it for itself.
    alone: bool,
    /// So many share it.
    sharing: usize,
    /// Of all these, so many have gone while requests of theirs are under way.
    gone: usize,
    /// Those who wait, in the order in which they came.
    waiting: VecDeque<Waiter>,
    /// The number of the last who has come and had to wait.
    last: u64,
    /// All up to this number are turned away.
    refused: u64,
}

struct Waiter {
    number: u64,
    alone: bool,
    waker: Waker,
}

impl State {
    fn has_room(&self, alone: bool) -> bool {
        !self.alone && self.gone == 0 && (!alone || self.sharing == 0)
    }

    fn let_in(&mut self, alone: bool) {
        if alone {
            self.alone = true;
        } else {
            self.sharing += 1;
        }
    }

    fn let_out(&mut self, alone: bool) {
        if alone {
            self.alone = false;
        } else {
            self.sharing -= 1;
        }
    }

    /// Takes the one with this number out of those who wait.
    fn leave(&mut self, number: Option<u64>) -> Option<Waiter> {
        let at = self.waiting.iter().position(|waiter| Some(waiter.number) == number)?;
        self.waiting.remove(at)
    }

    /// Has somebody wait, in the place that the number says, or else behind all others.
    fn join(&mut self, number: Option<u64>, alone: bool, waker: Waker) -> u64 {
        let number = number.unwrap_or_else(|| {
            self.last += 1;
            self.last
        });
        let at = self.waiting.partition_point(|waiter| waiter.number < number);
        self.waiting.insert(at, Waiter { number, alone, waker });
        number
    }

    /// Whoever is next, if there is room: to be woken once the lock is free.
    fn next_waker(&self) -> Option<Waker> {
        self.waiting
            .front()
            .filter(|waiter| waiter.number <= self.refused || self.has_room(waiter.alone))
            .map(|waiter| waiter.waker.clone())
    }
}

impl Inner {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock();
        let result = change(&mut state);
        let next = state.next_waker();
        drop(state);
        if let Some(waker) = next {
            waker.wake();
        }
        result
    }
}

impl Gate {
    /// Waits for the right, to have it alone or to share it.
    ///
    /// # Errors
    /// [`Reason::TimedOut`] for who is turned away.
    pub fn pass(&self, alone: bool) -> impl Future<Output = Result<Passage, Reason>> + '_ {
        Pass { gate: self, alone, number: None }
    }

    /// The backend doesn't answer. If it is requests of somebody who has gone that keep the gate shut, all who wait are refused.
    pub fn turn_away(&self) {
        self.0.change(|state| {
            if state.gone > 0 {
                state.refused = state.last;
            }
        });
    }

    /// How many wait at this moment.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.0.0.lock().waiting.len()
    }
}

/// Somebody who wants to pass.
struct Pass<'a> {
    gate: &'a Gate,
    alone: bool,
    /// Once it waits.
    number: Option<u64>,
}

impl Future for Pass<'_> {
    type Output = Result<Passage, Reason>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = context.waker().clone();
        let (alone, number) = (self.alone, self.number);
        // What it waited with is dropped outside of the lock.
        let (result, number, _old) = self.gate.0.change(|state| {
            let old = state.leave(number);
            if number.is_some_and(|number| number <= state.refused) {
                return (Poll::Ready(Err(Reason::TimedOut)), None, old);
            }
            // Whoever comes now comes after all who wait.
            let place = number.unwrap_or(u64::MAX);
            if state.has_room(alone) && state.waiting.front().is_none_or(|waiter| waiter.number > place) {
                state.let_in(alone);
                return (Poll::Ready(Ok(())), None, old);
            }
            (Poll::Pending, Some(state.join(number, alone, waker)), old)
        });
        self.number = number;
        let right = |()| Right {
            gate: self.gate.0.clone(),
            alone,
            requests: AtomicUsize::new(0),
            gone: AtomicBool::new(false),
        };
        result.map_ok(|()| Passage(Arc::new(right(()))))
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.number.is_some() {
            // Those behind it need not wait for it any more.
            let _waiter = self.gate.0.change(|state| state.leave(self.number));
        }
    }
}

struct Right {
    gate: Arc<Inner>,
    alone: bool,
    /// Requests that have not ended. This and the next are changed under the gate's lock.
    requests: AtomicUsize,
    /// Nobody makes any more.
    gone: AtomicBool,
}

/// The right, until it is dropped and the requests made by it have ended.
pub struct Passage(Arc<Right>);

impl Passage {
    /// What a request has as long as it is under way.
    pub fn hold(&self) -> Hold {
        self.0.gate.change(|_| self.0.requests.fetch_add(1, Ordering::Relaxed));
        Hold(self.0.clone())
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.0.gate.change(|state| {
            if self.0.requests.load(Ordering::Relaxed) == 0 {
                return state.let_out(self.0.alone);
            }
            self.0.gone.store(true, Ordering::Relaxed);
            state.gone += 1;
        });
    }
}

/// Keeps the gate shut for others as the passage did, while a request is under way.
pub struct Hold(Arc<Right>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.gate.change(|state| {
            let last = self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1;
            if last && self.0.gone.load(Ordering::Relaxed) {
                state.gone -= 1;
                state.let_out(self.0.alone);
            }
        });
    }
}
