//! Tasks: futures that share a few threads.
//!
//! A thread that waits keeps a stack. A *task* that waits keeps only what its future remembers, so there may be thousands. Each
//! vCPU has a worker, an ordinary thread, that polls tasks that are ready. A future that has to wait leaves its [`Waker`](core::task::Waker) with
//! whoever will know, and returns; the waker puts the task back into the queue. Nobody polls a task that wasn't woken, so tasks
//! that sleep cost nothing.
//!
//! ```ignore
//! let answer = executor::spawn(async { executor::sleep(SECOND).await; 42 })?;
//! assert_eq!(executor::block_on(answer), 42);
//! ```
//!
//! Invariant: waking takes no memory and waits for nothing, so that it may be done in an event's handler. What takes memory before
//! says so: [`spawn`] and [`channel()`] return an error where there is none, [`block_on`] and [`join_all`] end the guest with a report.

mod block_on;
mod channel;
mod combine;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
mod sleep;
#[cfg_attr(loom, allow(dead_code, reason = "the models use it by itself"))]
pub(crate) mod stage;
#[cfg(not(loom))]
mod task;
#[cfg(not(loom))]
mod workers;

pub use block_on::block_on;
pub use channel::{Receiver, SendError, Sender, TrySendError, channel};
pub use combine::{Either, join, join_all, select, yield_now};
#[cfg(not(loom))]
pub use sleep::{Sleep, sleep, sleep_until};
#[cfg(not(loom))]
pub use task::TaskHandle;
#[cfg(not(loom))]
pub use workers::{spawn, start};

use core::fmt;

/// There is no memory for one more task, or for what a channel holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no memory for one more task")
    }
}

impl core::error::Error for OutOfMemory {}
