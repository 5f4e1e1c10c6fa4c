//! The guest's disk, past Linux's cache: what the kernel's own benchmarks do with it.

use crate::{SAMPLES, repeat, ticks};
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::{Arc, Barrier};
use std::thread;

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

/// One of 32 blocks that as many threads read at the same time: their time, by their number.
pub fn read_blocks() -> Option<Vec<u64>> {
    let disk = Arc::new(open()?);
    let barrier = Arc::new(Barrier::new(DEPTH + 1));
    let reader = |number: usize| {
        let (disk, barrier) = (disk.clone(), barrier.clone());
        thread::Builder::new().stack_size(64 << 10).spawn(move || {
            let mut buffer = Buffer::new(BLOCK);
            (0..SAMPLES).all(|_| {
                barrier.wait();
                let well = disk.read_exact_at(buffer.bytes(), offset(number)).is_ok();
                barrier.wait();
                well
            })
        })
    };
    // Where one can't be made, the others would wait for it for ever: the program ends with the guest.
    let readers: Vec<_> = (0..DEPTH).map(reader).collect::<Result<_, _>>().ok()?;
    let sample = |_| {
        barrier.wait();
        let begin = ticks();
        barrier.wait();
        (ticks() - begin) / DEPTH as u64
    };
    let samples = (0..SAMPLES).map(sample).collect();
    readers.into_iter().all(|reader| reader.join().unwrap_or(false)).then_some(samples)
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
