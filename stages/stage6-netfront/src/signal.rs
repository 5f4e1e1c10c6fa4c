//! How an event wakes the thread that works for an interface.
//!
//! Invariant: whoever waits after a call sees it, also one that came before he waited; several calls are as good as one.

use core::sync::atomic::{AtomicBool, Ordering};

use threads::time::Nanoseconds;
use threads::wait_queue::WaitQueue;

/// Something to be called by, from anywhere.
pub struct Signal {
    raised: AtomicBool,
    waiting: WaitQueue,
}

impl Signal {
    /// Nobody has called.
    pub fn new() -> Self {
        Self { raised: AtomicBool::new(false), waiting: WaitQueue::new() }
    }

    /// Calls. This may be done in an event's handler.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
        self.waiting.wake(1);
    }

    /// Sleeps until somebody has called since the last time, or the deadline.
    pub fn wait(&self, deadline: Option<Nanoseconds>) {
        self.waiting.wait(deadline, || !self.raised.load(Ordering::SeqCst));
        self.raised.store(false, Ordering::SeqCst);
    }

    /// The handler of a port that was bound with this signal's address.
    ///
    /// It is a number and no reference, as ports know of no lifetimes. See [`address`](Self::address).
    pub(crate) fn handle(address: usize) {
        // SAFETY: `address` exposed a signal that outlives its ports, and a port's handler runs no more once it is closed.
        let signal = unsafe { &*core::ptr::with_exposed_provenance::<Self>(address) };
        signal.raise();
    }

    /// What to bind a port with. The signal must stay where it is until the port is closed.
    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self).expose_provenance()
    }
}

impl Default for Signal {
    fn default() -> Self {
        Self::new()
    }
}
