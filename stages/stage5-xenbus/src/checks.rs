//! What `harness check stage5` has the guest do.
//!
//! As in stage 1, each check draws its inputs, calls the public functions in front of one exercise, and records what came out;
//! the harness judges. New in this stage: some records carry `ask`, a question to dom0. The harness has dom0 do what it
//! says, adds what came of it to the record, and types a line end on the console, for which the guest waits. So these checks rest
//! on what somebody else saw.
//!
//! Draws are written as the calls of `fastrand::Rng`, seeded with the run's seed XOR the FNV-1a hash of the check's id.
//! Numbers are recorded in decimal, bytes in hexadecimal (`-` for none).
//!
//! Invariant: until `done`, nothing is printed but records; after it the ordinary boot follows.

use alloc::string::String;
use alloc::vec::Vec;

use console::bedrock::Reporter;
use fastrand::Rng;
use xenbus::protocol::{Refusal, StoreError};

mod grants;
mod handshake;
mod hidden;
mod transactions;
mod wire;

/// Runs all checks. Returns the word of `5.live`.
///
/// It goes through xenstore and back, and is then printed as `live: <word>`.
pub fn run(reporter: Reporter) -> [u8; 8] {
    let word = reporter.live_word("5.live");
    grants::run(&reporter);
    wire::run(&reporter);
    transactions::run(&reporter);
    handshake::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}

/// `length` times `rng.lowercase()`.
fn word(rng: &mut Rng, length: usize) -> String {
    (0..length).map(|_| rng.lowercase()).collect()
}

/// `length` times `rng.u8(..)`.
fn bytes(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| rng.u8(..)).collect()
}

/// An error as it is recorded.
fn name(error: StoreError) -> String {
    match error {
        StoreError::Refused(refusal) => String::from(refusal_name(refusal)),
        StoreError::TooLong(bytes) => alloc::format!("too_long:{bytes}"),
        StoreError::BadPath => String::from("bad_path"),
        StoreError::Garbled => String::from("garbled"),
        StoreError::Disconnected => String::from("disconnected"),
        StoreError::TimedOut => String::from("timed_out"),
        StoreError::Conflict => String::from("conflict"),
    }
}

fn refusal_name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Invalid => "invalid",
        Refusal::Denied => "denied",
        Refusal::Exists => "exists",
        Refusal::NotFound => "not_found",
        Refusal::Quota => "quota",
        Refusal::TooLarge => "too_large",
        Refusal::Again => "again",
        Refusal::Unknown => "unknown",
        Refusal::Busy => "busy",
        Refusal::Other => "other",
    }
}

/// `ok`, or the error.
fn outcome<T>(result: &Result<T, StoreError>) -> String {
    match result {
        Ok(_) => String::from("ok"),
        Err(error) => name(*error),
    }
}
