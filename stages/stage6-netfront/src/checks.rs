//! What `harness check stage6` has the guest do.
//!
//! As in the stages below: each check draws its inputs, calls the public functions in front of one exercise, and records what came out;
//! the harness judges. Some records carry `ask`, a question to dom0: what it does and sees goes into the record, and the guest waits for it.
//!
//! Draws are written as the calls of `fastrand::Rng`, seeded with the run's seed XOR the FNV-1a hash of the check's id.
//! Numbers are recorded in decimal, lists with commas and `-` if they are empty; bytes as the [`digest`] of them.
//!
//! Invariant: until `done`, nothing is printed but records; after it the ordinary boot follows.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use console::bedrock::{Record, Reporter};
use fastrand::Rng;

mod device;
mod hidden;
mod indices;
mod live_link;
mod receive;
mod transmit;

/// Runs all checks. Returns the word that the live console is to say.
pub fn run(reporter: Reporter) -> [u8; 8] {
    let word = live_word(&mut reporter.rng("6.live"));
    indices::run(&reporter);
    receive::run(&reporter);
    transmit::run(&reporter);
    device::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}

/// `6.live`: printed as `live: <word>` once a packet has been to dom0 and back.
///
/// Draws: eight times `rng.lowercase()`.
fn live_word(rng: &mut Rng) -> [u8; 8] {
    core::array::from_fn(|_| rng.lowercase() as u8)
}

/// Records observations, and waits until dom0 has done what they ask for.
fn ask(record: &Record, observations: fmt::Arguments<'_>) {
    record.saw(observations);
    while console::input::read_byte() != b'\n' {}
}

/// One number for many bytes: FNV-1a, 64 bits.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// `length` times `rng.u8(..)`.
fn bytes(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| rng.u8(..)).collect()
}

/// Items with commas between, or `-`.
fn list<T: fmt::Display>(items: &[T]) -> String {
    let texts: Vec<String> = items.iter().map(|item| alloc::format!("{item}")).collect();
    if texts.is_empty() { String::from("-") } else { texts.join(",") }
}
