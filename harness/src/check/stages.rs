//! What each check has to observe: which stage knows it.
//!
//! A stage's half on this side is the folder of its name; its half in the guest is the stage's own `src/checks`.

use super::expect::{Facts, Row};
use super::{stage1, stage2, stage3, stage4, stage5, stage6, stage7};

/// What the check of this id has to observe, record by record.
pub fn expected(check: &str, seed: u64, facts: &Facts) -> Vec<Row> {
    match check.chars().next() {
        Some('1') => stage1::expected(check, seed, facts),
        Some('2') => stage2::expected(check, seed, facts),
        Some('3') => stage3::expected(check, seed, facts),
        Some('4') => stage4::expected(check, seed, facts),
        Some('5') => stage5::expected(check, seed, facts),
        Some('6') => stage6::expected(check, seed, facts),
        Some('7') => stage7::expected(check, seed, facts),
        _ => unknown(check),
    }
}

/// A check of the manifest that no stage knows could never fail: a test sees to it that there is none.
pub fn unknown(check: &str) -> Vec<Row> {
    vec![Row::new(format!("the harness knows no check {check}")).is("known", "yes")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;
    use std::path::Path;

    #[test]
    fn every_check_of_the_manifests_is_known_here() {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let exercises = course.stages.iter().flat_map(|stage| &stage.lab.exercises);
        for check in exercises.flat_map(|exercise| &exercise.checks) {
            let rows = expected(&check.id, 1, &Facts::default());
            assert!(!rows.is_empty() && !rows[0].what.contains("knows no check"), "{}", check.id);
        }
    }
}
