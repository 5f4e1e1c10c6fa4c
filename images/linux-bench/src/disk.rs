//! The guest's disk, past Linux's cache: what the kernel's own benchmarks do with it.
//!
//! Invariant: nothing is written that wasn't there before.

use crate::aio::{Context, Operation, Request};
use crate::{SAMPLES, repeat, ticks};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

const DISK: &str = "/dev/xvda";
const BLOCK: usize = 4096;
const PIECE: usize = 1 << 20;
const DEPTH: usize = 32;
/// `O_DIRECT` on x86: reads and writes go to the disk, from memory that begins at a block.
const DIRECT: i32 = 0o40000;

/// Memory that begins at a block.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    fn new(length: usize) -> Self {
        let bytes = vec![0; length + BLOCK];
        let start = bytes.as_ptr().align_offset(BLOCK);
        Self { bytes, start, length }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..][..self.length]
    }
}

fn open() -> Option<File> {
    File::options().read(true).write(true).custom_flags(DIRECT).open(DISK).ok()
}

/// Where the blocks begin: no two are neighbours, so none are put together on the way.
fn offset(number: usize) -> u64 {
    (number * 37 * BLOCK % PIECE) as u64
}

/// A block, read.
pub fn read_block() -> Option<Vec<u64>> {
    let disk = open()?;
    let mut buffer = Buffer::new(BLOCK);
    let (mut number, mut well) = (0, true);
    let samples = repeat(|| {
        number += 1;
        well &= disk.read_exact_at(buffer.bytes(), offset(number)).is_ok();
    });
    well.then_some(samples)
}

/// A block, written.
pub fn write_block() -> Option<Vec<u64>> {
    let disk = open()?;
    let mut buffer = Buffer::new(BLOCK);
    disk.read_exact_at(buffer.bytes(), 0).ok()?;
    let (mut number, mut well) = (0, true);
    let samples = repeat(|| {
        number += 1;
        well &= disk.write_all_at(buffer.bytes(), offset(number)).is_ok();
    });
    well.then_some(samples)
}

/// One of 32 blocks that are read at the same time: their time, by their number.
pub fn read_blocks() -> Option<Vec<u64>> {
    blocks(Operation::Read)
}

/// The same, written.
pub fn write_blocks() -> Option<Vec<u64>> {
    blocks(Operation::Write)
}

fn blocks(operation: Operation) -> Option<Vec<u64>> {
    let disk = open()?;
    let mut context = Context::new(DEPTH)?;
    let mut buffer = Buffer::new(BLOCK * DEPTH);
    disk.read_exact_at(buffer.bytes(), 0).ok()?;
    let mut sample = || {
        let begin = ticks();
        let memory = buffer.bytes().chunks_mut(BLOCK).enumerate();
        let request = |(number, memory)| Request::new(operation, disk.as_raw_fd(), memory, offset(number));
        let mut requests: Vec<Request> = memory.map(request).collect();
        // SAFETY: the memory is the buffer's.
        let well = unsafe { context.run(&mut requests) };
        well.then(|| (ticks() - begin) / DEPTH as u64)
    };
    (0..SAMPLES).map(|_| sample()).collect()
}

/// A mebibyte, read.
pub fn read_piece() -> Option<Vec<u64>> {
    let disk = open()?;
    let mut buffer = Buffer::new(PIECE);
    let mut well = true;
    let samples = repeat(|| well &= disk.read_exact_at(buffer.bytes(), 0).is_ok());
    well.then_some(samples)
}

/// The same, written to where it stays.
pub fn write_piece() -> Option<Vec<u64>> {
    let disk = open()?;
    let mut buffer = Buffer::new(PIECE);
    disk.read_exact_at(buffer.bytes(), 0).ok()?;
    let mut well = true;
    let samples = repeat(|| well &= disk.write_all_at(buffer.bytes(), 0).and_then(|()| disk.sync_data()).is_ok());
    well.then_some(samples)
}
