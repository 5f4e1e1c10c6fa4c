//! What stage 7 has to measure: blocks and longer pieces of the first disk, read and written, without a cache.
//!
//! Invariant: nothing is written that wasn't there before.

use alloc::sync::Arc;
use alloc::vec;

use console::bench::{Bencher, Benchmark, ticks};
use threads::executor;

use crate::disk::Disk;
use crate::disks;
use crate::error::DiskError;

pub(crate) const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "disk-read-4096", run: |bencher| read(bencher, BLOCK) },
    Benchmark { name: "disk-read-4096-of-32", run: read_many },
    Benchmark { name: "disk-read-mib", run: |bencher| read(bencher, PIECE) },
    Benchmark { name: "disk-write-mib", run: write },
];

/// Bytes of what is read at a time.
const BLOCK: usize = 4096;
/// Bytes of a longer piece. Disks that are shorter are not measured.
const PIECE: usize = 1 << 20;
/// Reads under way at the same time.
const DEPTH: usize = 32;

fn first() -> Option<Arc<Disk>> {
    let name = disks::configured().ok()?.first().copied()?;
    Disk::open(name.as_str()).ok().filter(|disk| disk.size() >= PIECE as u64)
}

/// Where the reads begin: not one behind the other.
fn offset(number: usize) -> u64 {
    (number * 37 * BLOCK % PIECE) as u64
}

fn read(bencher: &mut Bencher, length: usize) {
    let Some(disk) = first() else { return };
    let mut bytes = vec![0; length];
    let mut number = 0;
    while bencher.wants_more() {
        number += 1;
        let from = if length == BLOCK { offset(number) } else { 0 };
        if bencher.time(|| disk.read(from, &mut bytes)).is_err() {
            return;
        }
    }
}

/// What one of many reads takes that are under way at the same time: their time, by their number.
fn read_many(bencher: &mut Bencher) {
    let Some(disk) = first() else { return };
    let mut buffers = vec![[0; BLOCK]; DEPTH];
    while bencher.wants_more() {
        let begin = ticks();
        let reads = buffers.iter_mut().enumerate().map(|(number, bytes)| disk.read_async(offset(number), bytes));
        let done: Result<(), DiskError> = executor::block_on(executor::join_all(reads)).into_iter().collect();
        if done.is_err() {
            return;
        }
        bencher.sample(ticks().saturating_sub(begin) / DEPTH as u64);
    }
}

/// Writes what was read, and has it be where it stays.
fn write(bencher: &mut Bencher) {
    let Some(disk) = first() else { return };
    let mut bytes = vec![0; PIECE];
    if disk.read(0, &mut bytes).is_err() {
        return;
    }
    while bencher.wants_more() && bencher.time(|| disk.write(0, &bytes).and_then(|()| disk.flush())).is_ok() {}
}
