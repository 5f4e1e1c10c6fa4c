//! Tasks: futures that share a few threads.
//!
//! A thread that waits keeps a stack. A *task* that waits keeps only what its future remembers, so there may be thousands. Each
//! vCPU has a worker, an ordinary thread, that polls tasks that are ready. A future that has to wait leaves its [`Waker`] with
//! whoever will know, and returns; the waker puts the task back into the queue. Nobody polls a task that wasn't woken, so tasks
//! that sleep cost nothing.
//!
//! ```ignore
//! let answer = executor::spawn(async { executor::sleep(SECOND).await; 42 })?;
//! assert_eq!(executor::block_on(answer), 42);
//! ```
//!
//! Invariant: waking takes no memory and waits for nothing, so that it may be done in an event's handler.

mod channel;
mod combine;
mod queue;
mod sleep;
mod task;

pub use channel::{Receiver, SendError, Sender, TrySendError, channel};
pub use combine::{Either, join, join_all, select, yield_now};
pub use sleep::{Sleep, sleep, sleep_until};
pub use task::{OutOfMemory, TaskHandle};

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use alloc::sync::Arc;
use alloc::task::Wake;

use crate::cpu_set::CpuSet;
use crate::sync::Mutex;
use crate::thread::{self, Builder, SpawnError, Thread};

// ANCHOR: block_on
/// Runs a future on this thread until it is done. The thread sleeps while the future waits.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Sleeping(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(None), // at once, if the waker was called meanwhile
        }
    }
}
// ANCHOR_END: block_on

struct Sleeping(Thread);

impl Wake for Sleeping {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Has the workers run a future to its end. The result is in the handle; without it, the task goes on by itself.
///
/// # Errors
/// If there is no memory, for the task or for the workers, which the first call starts.
pub fn spawn<F>(future: F) -> Result<TaskHandle<F::Output>, OutOfMemory>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    start().map_err(|_| OutOfMemory)?;
    task::spawn(future)
}

static STARTED: Mutex<CpuSet> = Mutex::new(CpuSet::NONE);

/// Starts a worker on each vCPU that is on and has none. [`spawn`] does so by itself the first time.
///
/// # Errors
/// If there is no memory for any.
pub fn start() -> Result<(), SpawnError> {
    let mut started = STARTED.lock();
    if !started.is_empty() {
        return Ok(());
    }
    for cpu in crate::smp::online().iter() {
        let name = alloc::format!("tasks {cpu}");
        match Builder::new().name(&name).spawn(task::work) {
            Ok(_) => *started = started.with(cpu),
            Err(error) if started.is_empty() => return Err(error),
            Err(_) => break, // fewer will do
        }
    }
    Ok(())
}
