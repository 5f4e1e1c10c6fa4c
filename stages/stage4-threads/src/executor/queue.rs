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

/// Puts a task at the end.
pub(super) fn push(task: Arc<Task>) {
    {
        let mut list = READY.lock();
        let this = Arc::as_ptr(&task);
        if list.first.is_none() {
            list.first = Some(task);
        } else {
            // SAFETY: where there is a first there is a last, and the list owns a reference to it. (Otherwise it may be gone.)
            unsafe { &*list.last }.link().0.set(Some(task));
        }
        list.last = this;
    }
    WORKERS.wake(1);
}

/// Takes the first task; waits until there is one.
pub(super) fn pop() -> Arc<Task> {
    loop {
        {
            let mut list = READY.lock();
            if let Some(task) = list.first.take() {
                list.first = task.link().0.take();
                return task;
            }
        }
        WORKERS.wait(None, || READY.lock().first.is_none());
    }
}
