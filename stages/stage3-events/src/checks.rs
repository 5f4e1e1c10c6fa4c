//! The guest's half of the checks: it draws inputs from the seed, calls an exercise through its public function, and
//! records what came out. The harness draws the same inputs and knows what had to come out.
//!
//! Each check says what it draws, in order, and what it records; `harness/src/check/stage3` is the other half.
//!
//! Invariant: nothing here judges. The exercises run on objects made for the purpose first, and events are masked but
//! where a check is about them: a broken scan costs its own checks and no others.

use core::fmt;

use console::bedrock::Reporter;
use fastrand::Rng;

mod clock;
mod hidden;
mod live;
mod scan;
mod timers;

/// Runs all checks. Returns the word that the live console is to say.
pub fn run(reporter: Reporter, start_info: &[u8]) -> [u8; 8] {
    let word = live_word(&mut reporter.rng("3.live"));
    scan::run(&reporter);
    live::ports(&reporter, start_info);
    clock::run(&reporter);
    live::time(&reporter, start_info);
    timers::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}

/// `3.live`: printed as `live: <word>` behind the banner of the ordinary boot, once the kernel has slept.
///
/// Draws: eight times `rng.lowercase()`.
fn live_word(rng: &mut Rng) -> [u8; 8] {
    core::array::from_fn(|_| rng.lowercase() as u8)
}

/// Shows what an iterator gives with commas between; `-` for nothing.
struct List<I>(I);

impl<I: Iterator<Item: fmt::Display> + Clone> fmt::Display for List<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = self.0.clone();
        let Some(first) = items.next() else { return f.write_str("-") };
        write!(f, "{first}")?;
        items.try_for_each(|item| write!(f, ",{item}"))
    }
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
