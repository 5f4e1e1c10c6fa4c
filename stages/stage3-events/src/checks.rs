//! The guest's half of the checks: it draws inputs from the seed, calls an exercise through its public function, and
//! records what came out. The harness draws the same inputs and knows what had to come out.
//!
//! Each check says what it draws, in order, and what it records; `harness/src/check/stage3` is the other half.
//!
//! Invariant: nothing here judges. The exercises run on objects made for the purpose first, and events are masked but
//! where a check is about them: a broken scan costs its own checks and no others.

use console::bedrock::Reporter;

mod clock;
mod hidden;
mod live;
mod scan;
mod timers;

/// Runs all checks. Returns the word of `3.live`.
///
/// It is printed as `live: <word>` behind the banner of the ordinary boot, once the kernel has slept.
pub fn run(reporter: Reporter, start_info: &[u8]) -> [u8; 8] {
    let word = reporter.live_word("3.live");
    scan::run(&reporter);
    live::ports(&reporter, start_info);
    clock::run(&reporter);
    live::time(&reporter, start_info);
    timers::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}
