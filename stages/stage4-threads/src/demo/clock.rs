//! The demo `app=clock`: threads on all vCPUs that look at the same clock, and what day it is.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::cpu_set::CpuSet;
use crate::events;
use crate::smp;
use crate::thread::{Builder, JoinHandle};
use crate::time::{after, now};

/// The latest time that any of them has seen.
static LATEST: AtomicU64 = AtomicU64::new(0);

/// Has two threads a vCPU read the clock for `ms=` milliseconds: one that stays there, and one that may move.
pub(super) fn clock(command_line: CommandLine<'_>) {
    let end = after(Duration::from_millis(super::number(command_line, "ms", 1000)));
    let read = move || {
        let (mut readings, mut backward) = (0_u64, 0_u64);
        loop {
            let seen = LATEST.load(Ordering::SeqCst);
            let time = now();
            backward += u64::from(time.0 < seen);
            LATEST.fetch_max(time.0, Ordering::SeqCst);
            readings += 1;
            if time >= end {
                return (readings, backward);
            }
        }
    };
    let places = smp::online().iter().flat_map(|cpu| [CpuSet::one(cpu), CpuSet::ALL]);
    let readers = places.filter_map(|place| Builder::new().name("reader").affinity(place).spawn(read).ok());
    let readers: Vec<JoinHandle<(u64, u64)>> = readers.collect();
    let threads = readers.len();
    let seen: Vec<(u64, u64)> = readers.into_iter().map(JoinHandle::join).collect();
    let (least, all) = (seen.iter().map(|seen| seen.0).min().unwrap_or(0), seen.iter().map(|seen| seen.0).sum::<u64>());
    let backward: u64 = seen.iter().map(|seen| seen.1).sum();
    println!("{threads} threads on {} vCPUs, the slowest with {least} readings", smp::online().iter().count());
    println!("backward: {backward} of {all} readings");
    let wall = events::clock::wall();
    println!("wall: {}.{:03} s since 1970", wall.as_secs(), wall.subsec_millis());
}
