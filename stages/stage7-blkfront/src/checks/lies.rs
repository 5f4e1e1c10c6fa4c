//! The check of exercise 7b in which the backend lies.

use blkfront::blkif::Response;
use blkfront::completions::Table;
use console::bedrock::{Record, Reporter};
use fastrand::Rng;

use super::completions::{Scripted, begun};

/// Runs it.
pub fn run(reporter: &Reporter) {
    reporter.check("7b.lies", lies);
}

/// What a backend can say.
///
/// Draws, for each of the cases `many`, `far`, `backwards`, `nobody`, `twice` and `moving`: what `7b.collect` draws, without its
/// `held`; then `by = rng.u32(1..1000)` and `at = rng.usize(..n)`, `n` being the number of responses.
///
/// - `many`: the index says `by` responses more than there are requests; `far`: 2^31 more; `backwards`: `by` fewer than were consumed.
/// - `nobody`: the response of number `at` has the id u64::MAX - `by`; `twice`: it has the one of the response before, or after the first.
/// - `moving`: the index is right at the first look, and at each other one `by` too high.
///
/// Records as `7b.collect`.
fn lies(rng: &mut Rng, record: &Record) {
    for case in ["many", "far", "backwards", "nobody", "twice", "moving"] {
        let (mut table, mut ring): (Table<u32>, Scripted) = begun(rng);
        let by = rng.u32(1..1000);
        let at = rng.usize(..ring.responses.len());
        let count = ring.responses.len() as u32;
        match case {
            "many" => ring.shift.push(by),
            "far" => ring.shift.push(1 << 31),
            "backwards" => ring.shift.push(0_u32.wrapping_sub(count + by)),
            "nobody" => ring.responses[at] = Response { id: u64::MAX - u64::from(by), status: 0 },
            "twice" => ring.responses[at].id = ring.responses[at.checked_sub(1).unwrap_or(1)].id,
            _ => ring.shift.extend([0, by]),
        }
        ring.report(&mut table, record, case);
    }
}
