//! What the checks of stage 4 have to observe: the host's half of `stages/stage4-threads/src/checks/`.
//!
//! Each function draws what its counterpart in the guest draws, in the same order, and says what a right
//! exercise makes of it. Nothing here shares code with the references: they could share a mistake.

mod locks;
mod run_queue;
mod switch;
mod vcpu_context;

use super::expect::{Facts, Row, rng};
use super::stages::unknown;

/// What the check of this id has to observe, record by record.
pub fn expected(check: &str, seed: u64, _: &Facts) -> Vec<Row> {
    let mut rng = rng(seed, check);
    match check {
        "4a.start" => switch::start(&mut rng),
        "4a.registers" => switch::registers(&mut rng),
        "4a.float" => switch::float(&mut rng),
        "4a.many" => switch::many(&mut rng),
        "4b.order" => run_queue::order(&mut rng),
        "4b.patience" => run_queue::patience(&mut rng),
        "4b.mixed" => run_queue::mixed(&mut rng),
        "4b.steal" => run_queue::steal(&mut rng),
        "4c.free" => locks::free(&mut rng),
        "4c.contended" => locks::contended(&mut rng),
        "4c.deadline" => locks::deadline(&mut rng),
        "4c.condition" => locks::condition(&mut rng),
        "4c.threads" => locks::threads(&mut rng),
        "4d.registers" => vcpu_context::registers(&mut rng),
        "4d.memory" => vcpu_context::memory(&mut rng),
        "4d.traps" => vcpu_context::traps(&mut rng),
        "4d.mode" => vcpu_context::mode(&mut rng),
        other => unknown(other),
    }
}
