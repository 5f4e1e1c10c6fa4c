//! Turns what a session observed into results.

use super::expect::{Facts, compare};
use super::results::{CheckResult, ExerciseResult, Results, Status};
use super::session::{Observed, Outcome, Stop};
use super::{Request, live, stages};
use crate::guest::crash::{Crash, stacks};
use crate::guest::symbolize::Symbolizer;

/// Everything that verdicts rest on.
pub struct Evidence<'a> {
    /// What the session observed.
    pub outcome: &'a Outcome,
    /// What dom0 says about the same machine.
    pub facts: &'a Facts,
    /// Names and lines for the guest's addresses.
    pub symbols: &'a Symbolizer,
    /// The hypervisor's word on a guest of the session that it had to stop.
    pub crash: Option<Crash>,
    /// The console that the reference leaves, where there is a snapshot of it.
    pub snapshot: Option<&'a str>,
}

/// Fills in the verdicts.
pub fn judge(results: &mut Results, request: &Request, evidence: &Evidence) {
    for result in &mut results.exercises {
        judge_exercise(result, request, evidence);
    }
    if let Some(whole) = &mut results.integration {
        live::judge(whole, request, evidence);
    }
    if let Some(why) = &evidence.outcome.lost {
        let unfinished = results.exercises.iter_mut().flat_map(|exercise| &mut exercise.checks);
        for check in unfinished.chain(&mut results.integration).filter(|check| check.status == Status::Blocked) {
            check.status = Status::Infra;
            check.message = Some(why.clone());
        }
    }
}

fn judge_exercise(result: &mut ExerciseResult, request: &Request, evidence: &Evidence) {
    let outcome = evidence.outcome;
    let todo = outcome.todo.get(&result.id);
    let own = outcome.checks.iter().filter(|(id, _)| result.checks.iter().any(|check| check.id == **id));
    let all_ran = own.clone().count() == result.checks.len() && own.clone().all(|(_, seen)| seen.stopped.is_none());
    // Another exercise can name this one as not attempted, but not undo what it did.
    if let Some(place) = todo.filter(|_| !all_ran) {
        result.line = place.rsplit_once(':').and_then(|(_, line)| line.parse().ok());
        result.message = Some("not attempted".to_owned());
    }
    for check in &mut result.checks {
        match outcome.checks.get(&check.id) {
            Some(observed) => {
                judge_check(check, request, observed, evidence);
                if let Some(other) = another(observed, &result.id) {
                    check.status = Status::Blocked;
                    check.message = Some(format!("it came upon exercise {other}, which is not attempted"));
                }
            }
            None if todo.is_some() => check.status = Status::NotAttempted,
            None => {}
        }
    }
    if result.line.is_none() {
        let mut messages = result.checks.iter().filter_map(|check| check.message.as_deref());
        result.line = messages.find_map(|text| line_in(text, result));
    }
}

/// The exercise that stopped a check because nobody has begun it, where that is another than the check's own.
fn another<'a>(observed: &'a Observed, own: &str) -> Option<&'a str> {
    match &observed.stopped {
        Some(Stop::Todo { exercise, .. }) if exercise != own => Some(exercise),
        _ => None,
    }
}

/// The first line of the exercise's own file that a message names.
fn line_in(text: &str, result: &ExerciseResult) -> Option<usize> {
    let file = format!("{}:", result.file.display());
    let rest = &text[text.find(&file)? + file.len()..];
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn judge_check(check: &mut CheckResult, request: &Request, observed: &Observed, evidence: &Evidence) {
    check.ms = observed.took.as_millis() as u64;
    check.console.clone_from(&observed.console);
    if let Some(stop) = &observed.stopped {
        (check.status, check.message) = explain(stop, evidence);
        check.console = report_lines(&observed.console, evidence);
        return;
    }
    let hidden = request.hidden.and_then(|hidden| hidden.expected(&check.id)).cloned();
    let expected = hidden.unwrap_or_else(|| stages::expected(&check.id, request.seed, evidence.facts));
    check.wrong = compare(&expected, &observed.saw);
    check.status = if check.wrong.is_empty() { Status::Pass } else { Status::Fail };
    check.points = if check.wrong.is_empty() { check.max } else { 0 };
}

/// Of a console that ends in a report, the report's backtrace with places in the source; of any other, the end.
fn report_lines(console: &[String], evidence: &Evidence) -> Vec<String> {
    let begin = console.iter().rposition(|line| line.starts_with("panic at ") || line.starts_with("fault: "));
    let Some(begin) = begin else { return console[console.len().saturating_sub(3)..].to_vec() };
    let annotated = evidence.symbols.annotate(&console[begin..].join("\n"));
    annotated.lines().filter(|line| line.starts_with("  #")).map(|line| line.trim_start().to_owned()).collect()
}

/// What stopped a guest, as a status and in words.
pub fn explain(stop: &Stop, evidence: &Evidence) -> (Status, Option<String>) {
    match stop {
        Stop::Todo { .. } => (Status::NotAttempted, None),
        Stop::Panic { place, message } => (Status::Crash, Some(format!("panic at {place}: {message}"))),
        Stop::Fault(facts) => {
            let fact = |name: &str| facts.get(name).map_or("?", String::as_str);
            let rip = u64::from_str_radix(fact("rip").trim_start_matches("0x"), 16).unwrap_or(0);
            let place = evidence.symbols.place(rip).map_or_else(|| format!("{rip:#x}"), |place| place.to_string());
            let text =
                format!("exception {} (error {}, cr2 {}) at {place}", fact("vector"), fact("error"), fact("cr2"));
            (Status::Crash, Some(text))
        }
        Stop::Ended(reason) => {
            let report = (reason == "crash").then(|| explain_crash(evidence)).flatten();
            let text = report.unwrap_or_else(|| format!("the guest ended ({reason}) before its checks were over"));
            (Status::Crash, Some(text))
        }
        Stop::Timeout(limit) => {
            let text =
                format!("no end within {:.0} s: a loop that never ends, or a wait for nothing", limit.as_secs_f64());
            (Status::Timeout, Some(text))
        }
    }
}

/// What Xen said when it ended the guest.
fn explain_crash(evidence: &Evidence) -> Option<String> {
    Some(evidence.crash.as_ref()?.explain(evidence.symbols, &stacks(&evidence.outcome.log.join("\n"))))
}
