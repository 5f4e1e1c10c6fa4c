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

use core::fmt;

use console::bedrock::Reporter;
use fastrand::Rng;

mod hidden;
mod locks;
mod run_queue;
mod switch;
mod together;
mod vcpu_context;

/// Runs all checks. Returns the word that the live console is to say.
pub fn run(reporter: Reporter, entry: &console::Entry) -> [u8; 8] {
    let word = live_word(&mut reporter.rng("4.live"));
    switch::run(&reporter);
    run_queue::run(&reporter);
    locks::run(&reporter);
    together::run(&reporter, entry);
    vcpu_context::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}

/// `4.live`: printed as `live: <word>` behind the banner of the ordinary boot, by a thread on another vCPU.
///
/// Draws: eight times `rng.lowercase()`.
fn live_word(rng: &mut Rng) -> [u8; 8] {
    core::array::from_fn(|_| rng.lowercase() as u8)
}

/// One number for many: FNV-1a, 64 bits, over numbers of eight bytes each, the low byte first.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Shows what an iterator gives, joined by commas; `-` for nothing.
struct List<I>(I);

impl<I: Iterator<Item: fmt::Display> + Clone> fmt::Display for List<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = self.0.clone();
        match items.next() {
            None => f.write_str("-"),
            Some(first) => {
                write!(f, "{first}")?;
                items.try_for_each(|item| write!(f, ",{item}"))
            }
        }
    }
}
