//! What `harness check stage4` has the guest do.
//!
//! As in the stages below: each check draws its inputs from random numbers of its own, calls the public function in front of one
//! exercise, and records what came out. It never judges: the harness draws the same inputs and works out what had to come
//! out. So each function here says what it draws, in order, and what it records.
//!
//! Draws are written as the calls of `fastrand::Rng`, seeded with the run's seed XOR the FNV-1a hash of the check's id.
//! Numbers are recorded in decimal; a list is joined by commas, and `-` if it is empty.
//!
//! Invariant: until `done`, nothing is printed but records. All checks but `4c.threads` use private objects and no heap; that one
//! brings the kernel up without a word.

use console::bedrock::Reporter;

mod hidden;
mod locks;
mod run_queue;
mod switch;
mod together;
mod vcpu_context;

/// Runs all checks. Returns the word of `4.live`.
///
/// It is printed as `live: <word>` behind the banner of the ordinary boot, by a thread on another vCPU.
pub fn run(reporter: Reporter, entry: &console::Entry) -> [u8; 8] {
    let word = reporter.live_word("4.live");
    switch::run(&reporter);
    run_queue::run(&reporter);
    locks::run(&reporter);
    together::run(&reporter, entry);
    vcpu_context::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}
