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
//! student's console says the word of `1.live`.

use console::bedrock::Reporter;

mod hidden;
mod hypercall;
mod ring;
mod start_info;

/// Runs all checks. Returns the word of `1.live`.
///
/// It is printed as `live: <word>` right behind the banner of the ordinary boot.
pub fn run(reporter: Reporter) -> [u8; 8] {
    let word = reporter.live_word("1.live");
    ring::run(&reporter);
    start_info::run(&reporter);
    hypercall::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}
