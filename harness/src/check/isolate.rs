//! Partial credit: one broken exercise costs itself, not the chain.
//!
//! What counts first is all exercises in one guest, where one that stops the boot or does not compile takes others
//! with it. So an exercise that another may have spoilt runs once more, with the references of all others, and the
//! better of its two results counts. Points for the stage as a whole come from the first run alone.
//!
//! Invariant: nothing here takes a point away, unless the test host fails: then there is no mark at all. Without references at
//! hand, as in a handout, nothing happens.

use super::results::{ExerciseResult, FailedTest, Results, Status};
use super::{Bench, Request, together};
use crate::error::Result;
use crate::work::Work;

/// Runs anew what may have failed because of another exercise.
pub fn give_partial_credit(bench: &mut Bench, request: &Request, results: &mut Results) -> Result<()> {
    for id in spoilt(results, request) {
        if !references_at_hand(bench, request, &id) {
            continue;
        }
        bench.app.ui.note(&format!("{id} did not pass together with the other exercises; it runs by itself"));
        let work = Work { references: others(request, &id), ..request.work.clone() };
        let log = request.log.with_extension(format!("{id}.log"));
        let alone = Request { only: Some(id.clone()), work, host_tests: false, log, ..request.clone() };
        let alone = together(bench, &alone)?;
        results.guest_ms += alone.guest_ms;
        let better = alone.exercises.into_iter().find(|result| result.id == id);
        let counted = results.exercises.iter_mut().find(|result| result.id == id);
        if let (Some(counted), Some(better)) = (counted, better) {
            take_better(counted, better);
        }
    }
    results.settle();
    Ok(())
}

/// The exercises that did not pass, where that may be another's doing.
fn spoilt(results: &Results, request: &Request) -> Vec<String> {
    if request.stage.lab.exercises.len() < 2 || stopped_early(results, request) {
        return Vec::new();
    }
    let candidate = |result: &&ExerciseResult| {
        let others = results.exercises.iter().filter(|other| other.id != result.id);
        let wrong_others = others.filter(|other| is_wrong(other.status)).count();
        // What it blocks itself is its own doing.
        let blocked = result.checks.iter().any(|check| check.status == Status::Blocked)
            && !result.checks.iter().any(|check| is_wrong(check.status));
        !result.reference
            && !matches!(result.status, Status::Rule | Status::Infra)
            && (blocked || is_wrong(result.status) && (wrong_others > 0 || request.only.is_some()))
    };
    results.exercises.iter().filter(candidate).map(|result| result.id.clone()).collect()
}

/// Whether the check ended before a guest could boot, which a student mends before anything else.
fn stopped_early(results: &Results, request: &Request) -> bool {
    !request.keep_going && results.log.is_none()
}

/// Says why an exercise was not even tried, where a mistake in another or a failed host test came first.
pub fn explain_early_stop(request: &Request, results: &mut Results) {
    if !stopped_early(results, request) {
        return;
    }
    let tests = results.host_tests.as_ref();
    for result in results.exercises.iter_mut().filter(|result| result.status == Status::Blocked) {
        let own = |failed: &FailedTest| failed.exercise.as_ref() == Some(&result.id);
        let text = match tests {
            None => "not checked: another exercise stands in its way (`--keep-going` checks each by itself)",
            Some(tests) if tests.failed.iter().any(own) => "its host test failed",
            Some(_) => "not tried, because a host test failed",
        };
        result.message = Some(text.to_owned());
    }
}

/// Whether an exercise is there and does not do what it should, and so may be in the way of others.
fn is_wrong(status: Status) -> bool {
    matches!(status, Status::Fail | Status::Crash | Status::Timeout | Status::Build | Status::Rule)
}

fn others(request: &Request, id: &str) -> std::collections::BTreeSet<String> {
    let all = request.stage.lab.exercises.iter().map(|exercise| exercise.id.clone());
    all.filter(|other| other != id).collect()
}

/// Whether every other exercise has a reference, and not all of them are in use already.
fn references_at_hand(bench: &Bench, request: &Request, id: &str) -> bool {
    let others = others(request, id);
    let folder = bench.app.course.root.join("solutions").join(&request.stage.package);
    let mut files = request.stage.lab.exercises.iter().filter(|exercise| others.contains(&exercise.id));
    !others.is_subset(&request.work.references) && files.all(|exercise| folder.join(&exercise.file).is_file())
}

fn take_better(counted: &mut ExerciseResult, alone: ExerciseResult) {
    // Where the test host failed it isn't known how many points there are: that is no reason to give few.
    if alone.points > counted.points || counted.status == Status::Blocked || alone.status == Status::Infra {
        *counted = ExerciseResult { isolated: true, ..alone };
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::check;
    use super::*;
    use std::path::PathBuf;

    fn exercise(id: &str, statuses: &[Status]) -> ExerciseResult {
        let checks = statuses.iter().enumerate().map(|(index, status)| check(&format!("{id}.{index}"), *status));
        let mut result = ExerciseResult {
            id: id.to_owned(),
            title: String::new(),
            status: Status::Blocked,
            reference: false,
            isolated: false,
            points: 0,
            max: 0,
            file: PathBuf::new(),
            line: None,
            message: None,
            log: None,
            ms: 0,
            checks: checks.collect(),
        };
        result.settle();
        result
    }

    #[test]
    fn the_better_result_counts_and_never_the_worse() {
        let mut counted = exercise("1a", &[Status::Pass, Status::Fail]);
        take_better(&mut counted, exercise("1a", &[Status::Pass, Status::Pass]));
        assert!(counted.isolated && counted.points == 10);
        let mut counted = exercise("1a", &[Status::Pass, Status::Fail]);
        take_better(&mut counted, exercise("1a", &[Status::Crash, Status::Crash]));
        assert!(!counted.isolated && counted.points == 5);
        let mut counted = exercise("1a", &[Status::Blocked]);
        take_better(&mut counted, exercise("1a", &[Status::NotAttempted]));
        assert_eq!(counted.status, Status::NotAttempted);
        let mut counted = exercise("1a", &[Status::Build]);
        take_better(&mut counted, exercise("1a", &[Status::Infra]));
        assert_eq!(counted.status, Status::Infra);
    }
}
