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
//! it the ordinary boot follows, on the student's allocator, tables and heap, and says [`live_word`].

use console::bedrock::Reporter;
use core::fmt;
use fastrand::Rng;

mod frames;
mod growth;
mod hidden;
mod tables;

/// Runs all checks. Returns the word that the live console is to say.
pub fn run(reporter: Reporter) -> [u8; 8] {
    let word = live_word(&mut reporter.rng("2.live"));
    frames::run(&reporter);
    tables::run(&reporter);
    growth::run(&reporter);
    hidden::run(&reporter);
    reporter.done();
    word
}

/// `2.live`: printed as `live: <word>` right behind the banner of the ordinary boot.
///
/// Draws: eight times `rng.lowercase()`.
fn live_word(rng: &mut Rng) -> [u8; 8] {
    core::array::from_fn(|_| rng.lowercase() as u8)
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
