//! The events of watches that nobody has looked at yet.
//!
//! An event says that something has changed at a path, not what; whoever gets it reads. So a second event for the same path
//! says nothing new while the first hasn't been taken, and is dropped. If very many different paths change, they become one event
//! for the watch's own path, "something below here has changed". Thus a mailbox takes a limited amount of memory, and
//! however many events come, the last change of each node is noticed.
//!
//! Invariant: between a change and the reader's next look there is an event in the box for its path, or for one above it.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use core::task::{Context, Poll, Waker};

use console::lock::Lock;
use threads::time::{Nanoseconds, now};
use threads::wait_queue::WaitQueue;

use crate::protocol::StoreError;

/// The most different events that a mailbox holds.
pub const MOST: usize = 1024;

/// Something has changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Event {
    /// The watch that noticed.
    pub token: u32,
    /// Where: the watched path, or one below it.
    pub path: String,
}

/// Events that wait to be taken.
pub struct Mailbox {
    state: Lock<State>,
    arrived: WaitQueue,
}

struct State {
    queue: VecDeque<Event>,
    /// The same, to be found quickly.
    known: BTreeSet<Event>,
    waker: Option<Waker>,
    closed: bool,
}

impl Default for Mailbox {
    fn default() -> Self {
        let state = State { queue: VecDeque::new(), known: BTreeSet::new(), waker: None, closed: false };
        Self { state: Lock::new(state), arrived: WaitQueue::new() }
    }
}

impl Mailbox {
    /// Puts an event of this watch in, which watches `root`. This may be called in an event's handler.
    pub fn put(&self, token: u32, path: &str, root: &str) {
        self.change(|state| {
            if state.queue.len() >= MOST {
                state.queue.retain(|event| event.token != token);
                state.known.retain(|event| event.token != token);
                state.put(Event { token, path: root.to_string() });
            } else {
                state.put(Event { token, path: path.to_string() });
            }
        });
    }

    /// There will be no more events.
    pub fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Forgets the events of a watch.
    pub fn forget(&self, token: u32) {
        let mut state = self.state.lock();
        state.queue.retain(|event| event.token != token);
        state.known.retain(|event| event.token != token);
    }

    /// Takes the oldest event, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Disconnected`] if there never will be one any more.
    pub fn try_take(&self) -> Result<Option<Event>, StoreError> {
        let mut state = self.state.lock();
        let Some(event) = state.queue.pop_front() else {
            return if state.closed { Err(StoreError::Disconnected) } else { Ok(None) };
        };
        state.known.remove(&event);
        Ok(Some(event))
    }

    /// Sleeps until there is an event, and takes it.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`] at the deadline; [`StoreError::Disconnected`] if there never will be one any more.
    pub fn take(&self, deadline: Option<Nanoseconds>) -> Result<Event, StoreError> {
        loop {
            if let Some(event) = self.try_take()? {
                return Ok(event);
            }
            if deadline.is_some_and(|deadline| now() >= deadline) {
                return Err(StoreError::TimedOut);
            }
            self.arrived.wait(deadline, || {
                let state = self.state.lock();
                state.queue.is_empty() && !state.closed
            });
        }
    }

    /// Takes an event if there is one; otherwise has the task woken when there is.
    pub fn poll_take(&self, context: &mut Context<'_>) -> Poll<Result<Event, StoreError>> {
        self.state.lock().waker = Some(context.waker().clone());
        match self.try_take() {
            Ok(Some(event)) => Poll::Ready(Ok(event)),
            Ok(None) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        self.arrived.wake(usize::MAX);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    fn put(&mut self, event: Event) {
        if self.known.insert(event.clone()) {
            self.queue.push_back(event);
        }
    }
}
