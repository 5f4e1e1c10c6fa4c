//! Turns what a session observed into results.

use super::expect::Facts;
use super::results::{CheckResult, ExerciseResult, Results, Status, Wrong};
use super::session::{Observed, Outcome, Stop};
use super::{Request, live, stage1};
use crate::guest::Symbols;

/// Fills in the verdicts. `facts` are what dom0 knows of the same machine; `xen_log` is the hypervisor's word
/// on a guest that it had to stop.
pub fn judge(
    results: &mut Results,
    request: &Request,
    outcome: &Outcome,
    facts: &Facts,
    symbols: &Symbols,
    xen_log: &str,
) {
    for result in &mut results.exercises {
        judge_exercise(result, request.seed, outcome, facts, symbols, xen_log);
    }
    if let Some(whole) = &mut results.integration {
        live::judge(whole, request, outcome, symbols, xen_log);
    }
    if let Some(why) = &outcome.lost {
        let unfinished = results.exercises.iter_mut().flat_map(|exercise| &mut exercise.checks);
        for check in unfinished.chain(&mut results.integration).filter(|check| check.status == Status::Blocked) {
            check.status = Status::Infra;
            check.message = Some(why.clone());
        }
    }
}

fn judge_exercise(
    result: &mut ExerciseResult,
    seed: u64,
    outcome: &Outcome,
    facts: &Facts,
    symbols: &Symbols,
    xen_log: &str,
) {
    let todo = outcome.todo.get(&result.id);
    if let Some(place) = todo {
        result.line = place.rsplit_once(':').and_then(|(_, line)| line.parse().ok());
        result.message = Some("not attempted".to_owned());
    }
    for check in &mut result.checks {
        match outcome.checks.get(&check.id) {
            Some(observed) => judge_check(check, seed, observed, facts, symbols, xen_log),
            None if todo.is_some() => check.status = Status::NotAttempted,
            None => {}
        }
        if let (None, Some(line)) = (result.line, check.message.as_deref().and_then(|text| line_in(text, result))) {
            result.line = Some(line);
        }
    }
}

/// The first line of the exercise's own file that a message names.
fn line_in(text: &str, result: &ExerciseResult) -> Option<usize> {
    let file = format!("{}:", result.file.display());
    let rest = &text[text.find(&file)? + file.len()..];
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn judge_check(
    check: &mut CheckResult,
    seed: u64,
    observed: &Observed,
    facts: &Facts,
    symbols: &Symbols,
    xen_log: &str,
) {
    check.ms = observed.took.as_millis() as u64;
    check.console.clone_from(&observed.console);
    if let Some(stop) = &observed.stopped {
        (check.status, check.message) = explain(stop, symbols, xen_log);
        return;
    }
    let wrong = stage1::expected(&check.id, seed, facts).into_iter().filter_map(|expected| {
        let got = observed.saw.get(expected.key).map_or("nothing", String::as_str);
        (!expected.holds(got)).then(|| Wrong {
            what: expected.what.clone(),
            expected: expected.describe(),
            got: got.to_owned(),
        })
    });
    check.wrong = wrong.collect();
    check.status = if check.wrong.is_empty() { Status::Pass } else { Status::Fail };
    check.points = if check.wrong.is_empty() { check.max } else { 0 };
}

/// What stopped a guest, as a status and in words.
pub fn explain(stop: &Stop, symbols: &Symbols, xen_log: &str) -> (Status, Option<String>) {
    match stop {
        Stop::Todo { .. } => (Status::NotAttempted, None),
        Stop::Panic { place, message } => (Status::Crash, Some(format!("panic at {place}: {message}"))),
        Stop::Fault(facts) => {
            let fact = |name: &str| facts.get(name).map_or("?", String::as_str);
            let place = symbols.place(fact("rip"));
            let text = format!(
                "exception {} (error {}, cr2 {}) at {place}",
                fact("vector"),
                fact("error"),
                fact("cr2")
            );
            (Status::Crash, Some(text))
        }
        Stop::Ended(reason) => {
            let report = (reason == "crash").then(|| symbols.explain_xen_log(xen_log)).flatten();
            let text = report.unwrap_or_else(|| format!("the guest ended ({reason}) before its checks were over"));
            (Status::Crash, Some(text))
        }
        Stop::Timeout(limit) => {
            let text = format!("no end within {:.0} s: a loop that never ends, or a wait for nothing", limit.as_secs_f64());
            (Status::Timeout, Some(text))
        }
    }
}
