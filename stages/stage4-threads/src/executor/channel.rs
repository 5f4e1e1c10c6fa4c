//! Channels: values that go from any number of senders to one receiver, in order.
//!
//! Both ends wait as futures; threads use them with [`block_on`](super::block_on). The room is allocated at the beginning, so
//! that sending takes no memory, and [`Sender::try_send`] may be used in an event's handler.
//!
//! Invariant: whoever makes room or puts a value in wakes those who wait for it, after giving the lock back. A waker may be
//! called without need.

use core::fmt;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::OutOfMemory;
use crate::sys::Lock;

struct Inner<T> {
    values: VecDeque<T>,
    capacity: usize,
    senders: usize,
    open: bool,
    receiver: Option<Waker>,
    waiting: Vec<Waker>,
}

/// A channel with room for so many values; at least one.
///
/// # Errors
/// If there is no memory for that.
pub fn channel<T>(capacity: usize) -> Result<(Sender<T>, Receiver<T>), OutOfMemory> {
    let capacity = capacity.max(1);
    let mut values = VecDeque::new();
    values.try_reserve_exact(capacity).map_err(|_| OutOfMemory)?;
    let inner = Inner { values, capacity, senders: 1, open: true, receiver: None, waiting: Vec::new() };
    let inner = Arc::new(Lock::new(inner));
    Ok((Sender(inner.clone()), Receiver(inner)))
}

/// The end where values go in.
pub struct Sender<T>(Arc<Lock<Inner<T>>>);

/// The end where they come out.
pub struct Receiver<T>(Arc<Lock<Inner<T>>>);

/// The receiver is gone; here is the value again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendError<T>(pub T);

/// A value that could not be sent at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrySendError<T> {
    /// There is no room.
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the receiver is gone")
    }
}

impl<T> Sender<T> {
    /// Sends a value, waiting for room.
    ///
    /// # Errors
    /// If the receiver is gone.
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut value = Some(value);
        poll_fn(|context| {
            let Some(this) = value.take() else { return Poll::Ready(Ok(())) };
            match self.try_send(this) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(TrySendError::Closed(this)) => return Poll::Ready(Err(SendError(this))),
                Err(TrySendError::Full(this)) => value = Some(this),
            }
            let waker = context.waker().clone();
            let mut inner = self.0.lock();
            if inner.open && inner.values.len() >= inner.capacity && inner.waiting.try_reserve(1).is_ok() {
                inner.waiting.push(waker);
            } else {
                drop(inner);
                waker.wake(); // there is room by now, or no memory to wait with: look again
            }
            Poll::Pending
        })
        .await
    }

    /// Sends a value if there is room.
    ///
    /// # Errors
    /// If there is none, or the receiver is gone.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let receiver = {
            let mut inner = self.0.lock();
            if !inner.open {
                return Err(TrySendError::Closed(value));
            }
            if inner.values.len() >= inner.capacity {
                return Err(TrySendError::Full(value));
            }
            inner.values.push_back(value);
            inner.receiver.take()
        };
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let receiver = {
            let mut inner = self.0.lock();
            inner.senders -= 1;
            if inner.senders == 0 { inner.receiver.take() } else { None }
        };
        if let Some(receiver) = receiver {
            receiver.wake(); // to be told that nothing comes any more
        }
    }
}

impl<T> Receiver<T> {
    /// Receives a value, waiting for one; `None` once all senders are gone and nothing is left.
    pub async fn receive(&mut self) -> Option<T> {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let mut inner = self.0.lock();
            if let Some(value) = inner.values.pop_front() {
                let waiting = core::mem::take(&mut inner.waiting);
                drop(inner);
                waiting.into_iter().for_each(Waker::wake);
                return Poll::Ready(Some(value));
            }
            if inner.senders == 0 {
                return Poll::Ready(None);
            }
            let old = inner.receiver.replace(waker);
            drop(inner);
            drop(old);
            Poll::Pending
        })
        .await
    }

    /// Receives a value if there is one.
    pub fn try_receive(&mut self) -> Option<T> {
        let (value, waiting) = {
            let mut inner = self.0.lock();
            let value = inner.values.pop_front()?;
            (value, core::mem::take(&mut inner.waiting))
        };
        waiting.into_iter().for_each(Waker::wake);
        Some(value)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let (values, waiting) = {
            let mut inner = self.0.lock();
            inner.open = false;
            (core::mem::take(&mut inner.values), core::mem::take(&mut inner.waiting))
        };
        drop(values);
        waiting.into_iter().for_each(Waker::wake);
    }
}
