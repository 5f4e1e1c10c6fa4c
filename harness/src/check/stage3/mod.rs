//! What the checks of stage 3 have to observe: the host's half of `stages/stage3-events/src/checks/`.
//!
//! Each function draws what its counterpart in the guest draws, in the same order, and says what a right
//! exercise makes of it. Nothing here shares code with the references: they could share a mistake.

mod clock;
mod live;
mod scan;
mod timers;

use super::expect::{Facts, Row, rng};
use super::stages::unknown;

/// What the check of this id has to observe, record by record.
pub fn expected(check: &str, seed: u64, _: &Facts) -> Vec<Row> {
    let mut rng = rng(seed, check);
    match check {
        "3a.ports" => scan::ports(&mut rng),
        "3a.masked" => scan::masked(&mut rng),
        "3a.again" => scan::again(&mut rng),
        "3a.order" => scan::order(),
        "3a.xen" => live::ports(&mut rng),
        "3b.scale" => clock::scale(&mut rng),
        "3b.read" => clock::read(&mut rng),
        "3b.version" => clock::version(&mut rng),
        "3b.latest" => clock::latest(&mut rng),
        "3b.xen" => live::time(&mut rng),
        "3c.order" => timers::order(&mut rng),
        "3c.due" => timers::due(),
        "3c.remove" => timers::remove(&mut rng),
        "3c.cost" => timers::cost(),
        "3c.mixed" => timers::mixed(&mut rng),
        other => unknown(other),
    }
}
