//! A task: a future, and whether it is to be polled.
//!
//! Invariant: the future is touched by the worker that polls it, and no other: the [`Stage`] sees to that.

use core::cell::UnsafeCell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use alloc::alloc::{Layout, alloc, dealloc};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;

use super::OutOfMemory;
use super::queue::{self, Link};
use super::stage::Stage;
use crate::sys::Lock;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task.
pub(super) struct Task {
    stage: Stage,
    job: UnsafeCell<Option<Job>>,
    link: Link,
}

// SAFETY: the future is `Send`, and the stage sees to it that one worker at a time has it.
unsafe impl Sync for Task {}

impl Task {
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Polls it once. By a worker that took it out of the queue. Returns it if it is to be polled again.
    fn poll(self: Arc<Self>) -> Option<Arc<Self>> {
        self.stage.begin();
        let waker = Waker::from(self.clone());
        // SAFETY: this worker has taken the task out of the queue, where it is once at most, and so has the future.
        let job = unsafe { &mut *self.job.get() };
        let future = job.as_mut()?;
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *job = None;
            self.stage.done();
            return None;
        }
        self.stage.wait().then_some(self)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.stage.wake() {
            queue::push(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The reference is the queue's: one that is queued already needs none.
        if self.stage.wake() {
            queue::push(self.clone());
        }
    }
}

/// The life of a worker.
pub(super) fn work() {
    loop {
        let mut task = queue::pop();
        while let Some(again) = task.poll() {
            task = queue::exchange(again);
        }
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
    let task = Task { stage: Stage::queued(), job: UnsafeCell::new(Some(job)), link: Link::new() };
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
