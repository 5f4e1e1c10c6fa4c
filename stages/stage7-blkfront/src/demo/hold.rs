//! A disk in use while dom0 takes it away, and brings it again: `app=disk-hold`.

use alloc::sync::Arc;
use alloc::vec;
use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;
use threads::{executor, thread};

use crate::disk::Disk;
use crate::disks;
use crate::error::Reason;

/// Requests that are under way all the time.
const TASKS: u64 = 64;
const CHUNK: u64 = 65536;

/// Reads and writes without a pause until it can't any more; then waits for the disk to come again.
pub(super) fn hold(_: CommandLine<'_>) {
    loop {
        let Some(disk) = disks::list().into_iter().next() else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        println!("{}: in use", disk.name());
        // By workers on all vCPUs, so that all queues are used.
        let tasks = (0..TASKS).filter_map(|task| executor::spawn(work(disk.clone(), task)).ok());
        let ends = executor::block_on(executor::join_all(tasks));
        let detached = ends.iter().filter(|(_, reason)| *reason == Reason::Detached).count();
        let done: u64 = ends.iter().map(|(done, _)| done).sum();
        println!("{}: {done} operations, then {detached} of {TASKS} tasks were told: {}", disk.name(), ends[0].1);
    }
}

async fn work(disk: Arc<Disk>, task: u64) -> (u64, Reason) {
    let mut bytes = vec![task as u8; CHUNK as usize];
    let offset = task * CHUNK % disk.size().max(CHUNK);
    for done in 0.. {
        let result = match done % 2 {
            0 => disk.write_async(offset, &bytes).await,
            _ => disk.read_async(offset, &mut bytes).await,
        };
        if let Err(error) = result {
            return (done, error.reason);
        }
    }
    (0, Reason::Detached)
}
