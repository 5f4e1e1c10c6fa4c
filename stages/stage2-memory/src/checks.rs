//! What `harness check stage2` has the guest do.
//!
//! As in stage 1: each check draws its inputs from random numbers of its own, calls the public function in front of one
//! exercise on objects made for the purpose, and records what came out. It never judges: the harness draws the same
//! inputs and works out what had to come out. So each function here says what it draws, in order, and what it records.
//!
//! Draws are written as the calls of `fastrand::Rng`, seeded with the run's seed XOR the FNV-1a hash of the check's id.
//! Numbers are recorded in decimal unless said otherwise; a list is joined by commas, and `-` if it is empty.
//!
//! Invariant: until `done`, nothing is printed but records, and nothing is allocated: the heap isn't there yet. After
//! it the ordinary boot follows, on the student's allocator, tables and heap, and says the word of `2.live`.

use console::bedrock::Reporter;
mod frames;
mod growth;
mod hidden;
mod tables;

/// Runs all checks. Returns the word of `2.live`.
///
/// It is printed as `live: <word>` right behind the banner of the ordinary boot.
pub fn run(reporter: Reporter) -> [u8; 8] {
    let word = reporter.live_word("2.live");
    frames::run(&reporter);
    tables::run(&reporter);
    growth::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}
