//! What `harness check stage6` has the guest do.
//!
//! As in the stages below: each check draws its inputs, calls the public functions in front of one exercise, and records what came out;
//! the harness judges. Some records carry `ask`, a question to dom0: what it does and sees goes into the record, and the guest waits for it.
//!
//! Draws are written as the calls of `fastrand::Rng`, seeded with the run's seed XOR the FNV-1a hash of the check's id.
//! Numbers are recorded in decimal, lists with commas and `-` if they are empty; bytes as the [`digest`] of them.
//!
//! Invariant: until `done`, nothing is printed but records; after it the ordinary boot follows.

use alloc::vec::Vec;

use console::bedrock::{Digest, Reporter};
use fastrand::Rng;

mod device;
mod hidden;
mod indices;
mod live_link;
mod receive;
mod transmit;

/// Runs all checks. Returns the word of `6.live`: printed as `live: <word>` once a packet has been to dom0 and back.
pub fn run(reporter: Reporter) -> [u8; 8] {
    let word = reporter.live_word("6.live");
    indices::run(&reporter);
    receive::run(&reporter);
    transmit::run(&reporter);
    device::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}

/// The [`Digest`] of bytes.
fn digest(bytes: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.add_bytes(bytes);
    digest.value()
}

/// `length` times `rng.u8(..)`.
fn bytes(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| rng.u8(..)).collect()
}
