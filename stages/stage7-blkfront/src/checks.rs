//! What `harness check stage7` has the guest do.
//!
//! As in the stages below: each check draws its inputs, calls the public functions in front of one exercise, and records what came
//! out; the harness judges. Records with `ask` are questions to dom0, which also sees the image of the disk `xvda` that the guest of
//! these checks has. The checks that use it keep to parts of their own, so that one can be left out.
//!
//! Draws are written as the calls of `fastrand::Rng`, seeded with the run's seed XOR the FNV-1a hash of the check's id.
//! Numbers are recorded in decimal, bytes and words in hexadecimal; a list is joined by commas, and `-` if it is empty.
//!
//! Invariant: from the first record until `done`, nothing is printed but records; after it the ordinary boot follows.

use alloc::sync::Arc;
use alloc::vec::Vec;

use blkfront::disk::Disk;
use blkfront::error::DiskError;
use console::bedrock::{Hex, Record, Reporter};
use fastrand::Rng;

mod cache;
mod cache_failures;
mod completions;
mod hidden;
mod lies;
mod real;
mod requests;

/// Runs all checks. Returns the word of `7.live`.
///
/// It goes through the cache to the disk and back, and is then printed as `live: <word>`.
pub fn run(reporter: Reporter) -> [u8; 8] {
    let word = reporter.live_word("7.live");
    // What the kernel says about it belongs before the first record.
    let disk = Disk::open("xvda");
    requests::run(&reporter, &disk);
    completions::run(&reporter);
    lies::run(&reporter);
    real::run_tasks(&reporter, &disk);
    cache::run(&reporter);
    cache_failures::run(&reporter);
    real::run_cache(&reporter, &disk);
    hidden::run(&reporter);
    reporter.done();
    word
}

/// The disk of the checks, as it was opened before the first of them.
type Opened = Result<Arc<Disk>, DiskError>;

/// Asks dom0 for a number that tells the bytes of the image from others, 64 KiB at a time.
fn ask_for_image(record: &Record, range: core::ops::Range<usize>) {
    for offset in range.step_by(65536) {
        record.ask(format_args!("ask=disk-digest offset={offset} length=65536"));
    }
}

/// `length` times `rng.u8(..)`.
fn bytes(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| rng.u8(..)).collect()
}

/// Asks dom0 for bytes of the image.
fn ask_for_bytes(record: &Record, offset: u64, length: usize) {
    record.ask(format_args!("ask=disk-read offset={offset} length={length}"));
}

/// Has dom0 change bytes of the image.
fn ask_to_write(record: &Record, offset: u64, bytes: &[u8]) {
    record.ask(format_args!("ask=disk-write offset={offset} value={}", Hex(bytes)));
}
