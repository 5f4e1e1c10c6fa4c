//! What `harness check stage1` has the guest do.
//!
//! Each check draws its inputs from random numbers of its own, calls the public function in front of one
//! exercise on objects made for the purpose, and records what came out. It never judges: the harness draws the
//! same inputs and works out what had to come out. So each function here says what it draws, in order, and what
//! it records.
//!
//! Draws are written as the calls of `fastrand::Rng`, seeded with the run's seed XOR the FNV-1a hash of the check's id.
//! Numbers are recorded in decimal, bytes in hexadecimal (`-` for none).
//!
//! Invariant: until `done`, nothing is printed but records; after it the ordinary boot follows, and through the
//! student's console says [`live_word`].

use console::bedrock::Reporter;
use fastrand::Rng;

mod hidden;
mod hypercall;
mod ring;
mod start_info;

/// Runs all checks. Returns the word that the live console is to say.
pub fn run(reporter: Reporter) -> [u8; 8] {
    let word = live_word(&mut reporter.rng("1.live"));
    ring::run(&reporter);
    start_info::run(&reporter);
    hypercall::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}

/// `1.live`: printed as `live: <word>` right behind the banner of the ordinary boot.
///
/// Draws: eight times `rng.lowercase()`.
fn live_word(rng: &mut Rng) -> [u8; 8] {
    core::array::from_fn(|_| rng.lowercase() as u8)
}
