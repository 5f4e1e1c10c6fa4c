//! The threads that poll tasks.
//!
//! Invariant: there is one for each vCPU that was on when a task was spawned, or there was no memory for it.

use core::future::Future;

use super::OutOfMemory;
use super::task::{self, TaskHandle};
use crate::cpu_set::{CpuSet, SharedCpuSet};
use crate::sync::Mutex;
use crate::thread::{Builder, SpawnError};

/// Has the workers run a future to its end. The result is in the handle; without it, the task goes on by itself.
///
/// # Errors
/// If there is no memory, for the task or for the first worker.
pub fn spawn<F>(future: F) -> Result<TaskHandle<F::Output>, OutOfMemory>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    start().map_err(|_| OutOfMemory)?;
    task::spawn(future)
}

/// The vCPUs that have a worker. (It may run elsewhere: where it is, the scheduler decides.)
static STARTED: SharedCpuSet = SharedCpuSet::new(CpuSet::NONE);

/// Starts a worker for each vCPU that is on and has none. [`spawn`] does so by itself, also for those that come later.
///
/// # Errors
/// If there is no memory for any.
pub fn start() -> Result<(), SpawnError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let missing = || crate::smp::online().without(STARTED.load());
    if missing().is_empty() {
        return Ok(());
    }
    let _guard = ONE_AT_A_TIME.lock();
    for cpu in missing().iter() {
        let name = alloc::format!("tasks {cpu}");
        match Builder::new().name(&name).spawn(task::work) {
            Ok(_) => STARTED.insert(cpu),
            Err(error) if STARTED.load().is_empty() => return Err(error),
            Err(_) => break, // fewer will do
        }
    }
    Ok(())
}
