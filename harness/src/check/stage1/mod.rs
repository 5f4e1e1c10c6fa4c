//! What the checks of stage 1 have to observe: the host's half of `stages/stage1-console/src/checks/`.
//!
//! Each function draws what its counterpart in the guest draws, in the same order, and says what a right
//! exercise makes of it. Nothing here shares code with the references: they could share a mistake.

mod hypercall;
mod ring;
mod start_info;

use super::expect::{Facts, Row, rng};

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
        "1c.errors" => hypercall::errors(),
        "1c.events" => hypercall::events(),
        "1c.registers" => hypercall::registers(&mut rng, facts),
        "1c.memory" => hypercall::memory(&mut rng),
        "1c.decode" => hypercall::decode(&mut rng),
        // A check of the manifest that is not here could never fail: a test sees to it that there is none.
        other => vec![Row::new(format!("the harness knows no check {other}")).is("known", "yes")],
    }
}

/// What the live boot says through the student's console: `live: ` and a word drawn from the seed.
pub fn live_word(seed: u64) -> String {
    let mut rng = rng(seed, "1.live");
    (0..8).map(|_| rng.lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;
    use std::path::Path;

    #[test]
    fn every_check_of_the_manifest_is_known_here() {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let exercises = &course.select("1").unwrap().stage.lab.exercises;
        for check in exercises.iter().flat_map(|exercise| &exercise.checks) {
            let rows = expected(&check.id, 1, &Facts::default());
            assert!(!rows.is_empty() && !rows[0].what.contains("knows no check"), "{}", check.id);
        }
    }
}
