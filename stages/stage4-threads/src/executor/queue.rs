//! The tasks that are ready to be polled.
//!
//! A list that is linked through the tasks themselves, so that joining it takes no memory. Invariant: a task is in it once at
//! most, as its stage says, and the queue owns a reference to each task in it.

use core::cell::Cell;

use alloc::sync::Arc;

use super::task::Task;
use crate::sys::Lock;
use crate::wait_queue::WaitQueue;

/// A place in the list: it belongs to the queue's lock.
pub(super) struct Link(Cell<Option<Arc<Task>>>);

// SAFETY: the cell is touched under the queue's lock only.
unsafe impl Sync for Link {}

impl Link {
    pub(super) const fn new() -> Self {
        Self(Cell::new(None))
    }
}

struct List {
    first: Option<Arc<Task>>,
    /// Meaningless while there is no first.
    last: *const Task,
}

// SAFETY: the pointer leads to a task that the list owns a reference to.
unsafe impl Send for List {}

static READY: Lock<List> = Lock::new(List { first: None, last: core::ptr::null() });
static WORKERS: WaitQueue = WaitQueue::new();

impl List {
    fn push(&mut self, task: Arc<Task>) {
        let this = Arc::as_ptr(&task);
        if self.first.is_none() {
            self.first = Some(task);
        } else {
            // SAFETY: where there is a first there is a last, and the list owns a reference to it. (Otherwise it may be gone.)
            unsafe { &*self.last }.link().0.set(Some(task));
        }
        self.last = this;
    }

    fn pop(&mut self) -> Option<Arc<Task>> {
        let task = self.first.take()?;
        self.first = task.link().0.take();
        Some(task)
    }
}

/// Puts a task at the end.
pub(super) fn push(task: Arc<Task>) {
    READY.lock().push(task);
    WORKERS.wake(1);
}

/// Puts a task at the end, and takes the first, which without any other is the same one. By a worker: nobody has to be woken,
/// as there are as many tasks ready as before, and whoever was woken for one of them finds one.
pub(super) fn exchange(task: Arc<Task>) -> Arc<Task> {
    let mut list = READY.lock();
    let Some(first) = list.pop() else { return task };
    list.push(task);
    first
}

/// Takes the first task; waits until there is one.
pub(super) fn pop() -> Arc<Task> {
    loop {
        let first = READY.lock().pop();
        if let Some(task) = first {
            return task;
        }
        WORKERS.wait(None, || READY.lock().first.is_none());
    }
}
