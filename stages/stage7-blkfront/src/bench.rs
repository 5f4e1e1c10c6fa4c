//! What stage 7 has to measure: blocks and longer pieces of the first disk, read and written, without a cache.
//!
//! Invariant: nothing is written that wasn't there before.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use console::bench::{Bencher, Benchmark, ticks};
use threads::executor;

use crate::disk::Disk;
use crate::disks;
use crate::error::DiskError;

pub(crate) const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "disk-read-4096", run: read_block },
    Benchmark { name: "disk-read-4096-of-32", run: read_blocks },
    Benchmark { name: "disk-write-4096", run: write_block },
    Benchmark { name: "disk-write-4096-of-32", run: write_blocks },
    Benchmark { name: "disk-read-mib", run: read_piece },
    Benchmark { name: "disk-write-mib", run: write_piece },
];

/// Bytes of a block.
const BLOCK: usize = 4096;
/// Bytes of a longer piece. Disks that are shorter are not measured.
const PIECE: usize = 1 << 20;
/// Blocks under way at the same time.
const DEPTH: usize = 32;

fn first() -> Option<Arc<Disk>> {
    let name = disks::configured().ok()?.first().copied()?;
    Disk::open(name.as_str()).ok().filter(|disk| disk.size() >= PIECE as u64)
}

/// Where the blocks begin: no two are neighbours.
fn offset(number: usize) -> u64 {
    (number * 37 * BLOCK % PIECE) as u64
}

/// The disk, and what its first bytes are.
fn with_content(length: usize) -> Option<(Arc<Disk>, Vec<u8>)> {
    let disk = first()?;
    let mut bytes = vec![0; length];
    disk.read(0, &mut bytes).ok()?;
    Some((disk, bytes))
}

/// Measures what works, each time with another number. What doesn't has no figure.
fn while_it_works(bencher: &mut Bencher, mut work: impl FnMut(usize) -> Result<(), DiskError>) {
    let mut number = 0;
    while bencher.wants_more() && bencher.time(|| work(number)).is_ok() {
        number += 1;
    }
}

fn read_block(bencher: &mut Bencher) {
    let Some((disk, mut bytes)) = with_content(BLOCK) else { return };
    while_it_works(bencher, |number| disk.read(offset(number), &mut bytes));
}

fn write_block(bencher: &mut Bencher) {
    let Some((disk, bytes)) = with_content(BLOCK) else { return };
    while_it_works(bencher, |number| disk.write(offset(number), &bytes));
}

fn read_blocks(bencher: &mut Bencher) {
    let Some((disk, mut bytes)) = with_content(BLOCK * DEPTH) else { return };
    many(bencher, || {
        let blocks = bytes.chunks_mut(BLOCK).enumerate();
        let reads = blocks.map(|(number, block)| disk.read_async(offset(number), block));
        executor::block_on(executor::join_all(reads)).into_iter().collect()
    });
}

fn write_blocks(bencher: &mut Bencher) {
    let Some((disk, bytes)) = with_content(BLOCK * DEPTH) else { return };
    many(bencher, || {
        let blocks = bytes.chunks(BLOCK).enumerate();
        let writes = blocks.map(|(number, block)| disk.write_async(offset(number), block));
        executor::block_on(executor::join_all(writes)).into_iter().collect()
    });
}

/// What one of many takes that are under way at the same time: their time, by their number.
fn many(bencher: &mut Bencher, mut work: impl FnMut() -> Result<(), DiskError>) {
    while bencher.wants_more() {
        let begin = ticks();
        if work().is_err() {
            return;
        }
        bencher.sample(ticks().saturating_sub(begin) / DEPTH as u64);
    }
}

fn read_piece(bencher: &mut Bencher) {
    let Some((disk, mut bytes)) = with_content(PIECE) else { return };
    while_it_works(bencher, |_| disk.read(0, &mut bytes));
}

/// Writes what was read, and has it be where it stays.
fn write_piece(bencher: &mut Bencher) {
    let Some((disk, bytes)) = with_content(PIECE) else { return };
    while_it_works(bencher, |_| disk.write(0, &bytes).and_then(|()| disk.flush()));
}
