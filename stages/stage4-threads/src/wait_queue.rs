//! Threads that wait for something, in the order in which they came.
//!
//! Everything that blocks in this kernel blocks here. The one difficulty is the wake-up that comes a moment too early:
//! after a thread has looked, and before it sleeps. So the thread joins the queue *first*, then looks once more, under the
//! queue's lock; whoever changes what is waited for changes it first and wakes afterwards. Either the thread sees the
//! change, or the waker sees the thread. That is also the contract of Linux's `futex`, which stage 8 builds on this.
//!
//! Invariants: a node is linked only while its thread is inside of [`WaitQueue::wait`], on whose stack it lies; nodes are
//! touched only under the lock; a thread leaves only under the lock, so a waker never holds on to one that is gone.

use core::cell::Cell;
use core::ptr::NonNull;

use crate::sys::{self, AtomicUsize, Handle, Lock, Ordering, fence};
use crate::time::{Nanoseconds, now};

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// Somebody called for this thread.
    Woken,
    /// There was nothing to wait for any more.
    Changed,
    /// The deadline passed.
    TimedOut,
}

/// Threads that wait, the longest first.
pub struct WaitQueue {
    list: Lock<List>,
    /// How many wait: so that waking nobody costs no lock.
    length: AtomicUsize,
}

struct List {
    first: Option<NonNull<Node>>,
    last: Option<NonNull<Node>>,
}

struct Node {
    thread: Handle,
    linked: Cell<bool>,
    next: Cell<Option<NonNull<Node>>>,
    previous: Cell<Option<NonNull<Node>>>,
}

// SAFETY: the pointers lead to nodes that are touched under the queue's lock only.
unsafe impl Send for List {}

impl WaitQueue {
    sys::const_fn! {
        /// Nobody waits.
        pub fn new() -> Self {
            Self {
                list: Lock::new(List { first: None, last: None }),
                length: AtomicUsize::new(0),
            }
        }
    }

    // ANCHOR: wait
    /// Sleeps while `still` says so: it is asked once, when this thread is in the queue already. The caller then looks by
    /// himself whether what he waits for has come: another may have been quicker.
    ///
    /// `still` runs under a spinlock: a few loads, nothing that waits.
    pub fn wait(&self, deadline: Option<Nanoseconds>, still: impl FnOnce() -> bool) -> Waited {
        let node =
            Node { thread: sys::current(), linked: Cell::new(false), next: Cell::new(None), previous: Cell::new(None) };
        {
            let mut list = self.list.lock();
            list.push(&node);
            self.length.fetch_add(1, Ordering::Relaxed);
            fence(Ordering::SeqCst); // in the queue before looking: `wake` has changed before it looks at the queue
            if !still() {
                self.leave(&mut list, &node);
                return Waited::Changed;
            }
        }
        loop {
            sys::park(deadline);
            let mut list = self.list.lock();
            if !node.linked.get() {
                return Waited::Woken;
            }
            if deadline.is_some_and(|deadline| now() >= deadline) {
                self.leave(&mut list, &node);
                return Waited::TimedOut;
            }
        }
    }
    // ANCHOR_END: wait

    /// Wakes up to `most` threads, those that have waited longest, and returns how many.
    pub fn wake(&self, most: usize) -> usize {
        fence(Ordering::SeqCst); // what the caller changed, before looking at the queue
        if self.length.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let mut woken = 0;
        let mut list = self.list.lock();
        while let Some(node) = list.first.filter(|_| woken < most) {
            // SAFETY: a node that is linked stays until its thread has had the lock, which is held here.
            let node = unsafe { node.as_ref() };
            self.leave(&mut list, node);
            sys::unpark(&node.thread);
            woken += 1;
        }
        drop(list);
        if woken > 0 {
            sys::after_wake();
        }
        woken
    }

    /// How many wait at this moment.
    pub fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    /// Whether nobody waits at this moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn leave(&self, list: &mut List, node: &Node) {
        list.remove(node);
        self.length.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    fn push(&mut self, node: &Node) {
        let this = Some(NonNull::from(node));
        node.linked.set(true);
        node.previous.set(self.last);
        match self.last {
            // SAFETY: a linked node stays while the lock is held.
            Some(last) => unsafe { last.as_ref() }.next.set(this),
            None => self.first = this,
        }
        self.last = this;
    }

    fn remove(&mut self, node: &Node) {
        let (next, previous) = (node.next.get(), node.previous.get());
        node.linked.set(false);
        match previous {
            // SAFETY: a linked node stays while the lock is held.
            Some(previous) => unsafe { previous.as_ref() }.next.set(next),
            None => self.first = next,
        }
        match next {
            // SAFETY: as above.
            Some(next) => unsafe { next.as_ref() }.previous.set(previous),
            None => self.last = previous,
        }
    }
}
