//! What the checks of stage 2 have to observe: the host's half of `stages/stage2-memory/src/checks/`.
//!
//! As in stage 1: the same draws in the same order, and the answers worked out in another way than the references do.

mod frames;
mod growth;
mod tables;

use super::expect::{Facts, Row, rng};
use super::stages::unknown;

/// What the check of this id has to observe, record by record.
pub fn expected(check: &str, seed: u64, _facts: &Facts) -> Vec<Row> {
    let mut rng = rng(seed, check);
    match check {
        "2a.fits" => frames::fits(&mut rng),
        "2a.odd" => frames::odd(&mut rng),
        "2a.merge" => frames::merge(&mut rng),
        "2a.refuse" => frames::refuse(&mut rng),
        "2a.random" => frames::random(&mut rng),
        "2b.walk" => tables::walk(&mut rng),
        "2b.map" => tables::map(&mut rng),
        "2b.calls" => tables::calls(&mut rng),
        "2b.unmap" => tables::unmap(&mut rng),
        "2b.occupied" => tables::occupied(&mut rng),
        "2b.undo" => tables::undo(&mut rng),
        "2c.amount" => growth::amount(&mut rng),
        "2c.pieces" => growth::pieces(&mut rng),
        "2c.short" => growth::short(&mut rng),
        "2c.undo" => growth::undo(&mut rng),
        other => unknown(other),
    }
}
