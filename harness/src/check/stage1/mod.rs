//! What the checks of stage 1 have to observe: the host's half of `stages/stage1-console/src/checks/`.
//!
//! Each function draws what its counterpart in the guest draws, in the same order, and says what a right
//! exercise makes of it. Nothing here shares code with the references: they could share a mistake.

mod hypercall;
mod ring;
mod start_info;

use super::expect::{Facts, Row, rng};
use super::stages::unknown;

/// What the check of this id has to observe, record by record.
pub fn expected(check: &str, seed: u64, facts: &Facts) -> Vec<Row> {
    let mut rng = rng(seed, check);
    match check {
        "1a.fits" => ring::fits(&mut rng),
        "1a.wrap" => ring::wrap(&mut rng),
        "1a.full" => ring::full(&mut rng),
        "1a.hostile" => ring::hostile(&mut rng),
        "1a.order" => ring::order(&mut rng),
        "1b.fields" => start_info::fields(&mut rng),
        "1b.magic" => start_info::magic(),
        "1b.short" => start_info::short(&mut rng),
        "1b.text" => start_info::text(&mut rng),
        "1b.tokens" => start_info::tokens(&mut rng),
        "1c.version" => hypercall::version(facts),
        "1c.arguments" => hypercall::arguments(&mut rng),
        "1c.errors" => hypercall::errors(facts),
        "1c.events" => hypercall::events(),
        "1c.registers" => hypercall::registers(&mut rng, facts),
        "1c.memory" => hypercall::memory(&mut rng),
        "1c.decode" => hypercall::decode(&mut rng),
        other => unknown(other),
    }
}
