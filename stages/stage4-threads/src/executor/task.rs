//! A task: a future, and whether it is to be polled.
//!
//! ```text
//! waiting --wake--> queued --a worker takes it--> polled --Pending--> waiting
//!                     ^                             | wake: polled and woken
//!                     +-----------Pending-----------+
//! ```
//!
//! Invariants: the future is touched by the worker that has made the stage "polled", and no other. A wake-up while it is polled
//! has it polled once more: what it waits for may have come right after it looked.

use core::cell::UnsafeCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::{Context, Poll, Waker};

use alloc::alloc::{Layout, alloc, dealloc};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;

use super::queue::{self, Link};
use crate::sys::Lock;

/// There is no memory for one more task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no memory for one more task")
    }
}

impl core::error::Error for OutOfMemory {}

const WAITING: u8 = 0;
const QUEUED: u8 = 1;
const POLLED: u8 = 2;
const WOKEN: u8 = 3;
const DONE: u8 = 4;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task.
pub(super) struct Task {
    stage: AtomicU8,
    job: UnsafeCell<Option<Job>>,
    link: Link,
}

// SAFETY: the future is `Send`, and the stage sees to it that one worker at a time has it.
unsafe impl Sync for Task {}

impl Task {
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    // ANCHOR: wake
    fn wake_up(self: Arc<Self>) {
        let next = |stage| match stage {
            WAITING => Some(QUEUED),
            POLLED => Some(WOKEN),
            _ => None, // it will be polled anyway, or is done
        };
        if self.stage.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(WAITING) {
            queue::push(self);
        }
    }
    // ANCHOR_END: wake

    /// Polls it once. By a worker that took it out of the queue.
    fn poll(self: Arc<Self>) {
        self.stage.store(POLLED, Ordering::Release);
        let waker = Waker::from(self.clone());
        // SAFETY: this worker has made the stage `POLLED`, coming from `QUEUED`, and so has the future.
        let job = unsafe { &mut *self.job.get() };
        let Some(future) = job else { return };
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *job = None;
            self.stage.store(DONE, Ordering::Release);
        } else if self.stage.compare_exchange(POLLED, WAITING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.stage.store(QUEUED, Ordering::Release);
            queue::push(self);
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.clone().wake_up();
    }
}

/// The life of a worker.
pub(super) fn work() {
    loop {
        queue::pop().poll();
    }
}

/// What a task leaves, and who waits for it.
struct Outcome<T> {
    result: Option<T>,
    waiter: Option<Waker>,
}

/// The right to a task's result: a future itself.
pub struct TaskHandle<T> {
    outcome: Arc<Lock<Outcome<T>>>,
}

impl<T> Future for TaskHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let waker = context.waker().clone();
        let mut outcome = self.outcome.lock();
        match outcome.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                let old = outcome.waiter.replace(waker);
                drop(outcome); // wakers are dropped outside of spinlocks
                drop(old);
                Poll::Pending
            }
        }
    }
}

impl<T> TaskHandle<T> {
    /// Waits until the task is done; for threads.
    pub fn join(self) -> T {
        super::block_on(self)
    }
}

/// Makes a task and queues it.
pub(super) fn spawn<F>(future: F) -> Result<TaskHandle<F::Output>, OutOfMemory>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // `Arc` and `Box` end the kernel where there is no memory; so look first. (Another thread may be quicker: 64 bytes over.)
    const ROOM: usize = 64 + size_of::<Task>() + 16;
    if !fits(size_of::<F>() + size_of::<Outcome<F::Output>>() + ROOM) {
        return Err(OutOfMemory);
    }
    let outcome = Arc::new(Lock::new(Outcome { result: None, waiter: None }));
    let left = outcome.clone();
    let job = async move {
        let result = future.await;
        let waiter = {
            let mut outcome = left.lock();
            outcome.result = Some(result);
            outcome.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    };
    let job: Job = Box::pin(job);
    let task = Task { stage: AtomicU8::new(QUEUED), job: UnsafeCell::new(Some(job)), link: Link::new() };
    queue::push(Arc::new(task));
    Ok(TaskHandle { outcome })
}

fn fits(bytes: usize) -> bool {
    let Ok(layout) = Layout::from_size_align(bytes, 16) else { return false };
    // SAFETY: there is always something in a task.
    let place = unsafe { alloc(layout) };
    if place.is_null() {
        return false;
    }
    // SAFETY: allocated just now, with this layout.
    unsafe { dealloc(place, layout) };
    true
}
