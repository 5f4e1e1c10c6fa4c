//! Results for GitHub Actions: a summary of the job in Markdown, and workflow commands that show errors at their
//! lines.

use super::output::{reasons, without_colour};
use super::results::{CheckResult, ExerciseResult, Results, Status};
use std::fmt::Write;

/// The job's summary.
pub fn summary(results: &Results) -> String {
    let totals = results.totals;
    let mut text = format!("### {}: {} of {} points\n\n", results.stage, totals.points, totals.max);
    text.push_str("| | result | points |\n|---|---|---|\n");
    for exercise in &results.exercises {
        let (id, title, word) = (&exercise.id, cell(&exercise.title), exercise.status.word());
        let reference = if exercise.reference { ", the reference" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {id} {title} | {word}{reference} | {}/{} |", exercise.points, exercise.max);
    }
    if let Some(whole) = &results.integration {
        let (id, title, word) = (&whole.id, cell(&whole.title), whole.status.word());
        let _ = writeln!(text, "| {id} {title} | {word} | {}/{} |", whole.points, whole.max);
    }
    for test in results.host_tests.iter().flat_map(|tests| &tests.failed) {
        text += &block("host test", &test.name, &without_colour(&test.message));
    }
    for (exercise, check) in wrong(results) {
        text += &block(&check.id, &check.title, &reasons(check, exercise));
    }
    text
}

fn block(id: &str, title: &str, text: &str) -> String {
    let fence = fence(text);
    format!("\n**{id}** {title}\n\n{fence}text\n{text}\n{fence}\n")
}

/// Workflow commands: an error a check that went wrong, a warning an exercise not begun, a notice of the points.
pub fn annotations(results: &Results) -> String {
    let mut text = String::new();
    for test in results.host_tests.iter().flat_map(|tests| &tests.failed) {
        let exercise = results.exercises.iter().find(|exercise| test.exercise.as_ref() == Some(&exercise.id));
        let title = format!("host test {}", test.name);
        let _ = writeln!(text, "{}", command("error", exercise, &title, &without_colour(&test.message)));
    }
    for (exercise, check) in wrong(results) {
        let title = format!("{} {}", check.id, check.title);
        let _ = writeln!(text, "{}", command("error", exercise, &title, &reasons(check, exercise)));
    }
    for exercise in results.exercises.iter().filter(|exercise| exercise.status == Status::NotAttempted) {
        let title = format!("{} {}", exercise.id, exercise.title);
        let _ = writeln!(text, "{}", command("warning", Some(exercise), &title, "not attempted"));
    }
    let points = format!("{} of {} points", results.totals.points, results.totals.max);
    let _ = writeln!(text, "{}", command("notice", None, &results.stage, &points));
    text
}

/// The checks that went wrong, with their exercises. Where one reason holds for all checks of an exercise, once.
fn wrong(results: &Results) -> Vec<(Option<&ExerciseResult>, &CheckResult)> {
    let went_wrong =
        |check: &&CheckResult| !matches!(check.status, Status::Pass | Status::NotAttempted | Status::Blocked);
    let mut found = Vec::new();
    for exercise in &results.exercises {
        let shared = exercise.checks.iter().all(|check| check.status == exercise.status && reasonless(check));
        let most = if shared { 1 } else { usize::MAX };
        found.extend(exercise.checks.iter().filter(went_wrong).take(most).map(|check| (Some(exercise), check)));
    }
    found.extend(results.integration.iter().filter(went_wrong).map(|whole| (None, whole)));
    found
}

fn reasonless(check: &CheckResult) -> bool {
    check.wrong.is_empty() && check.message.is_none()
}

fn command(kind: &str, exercise: Option<&ExerciseResult>, title: &str, message: &str) -> String {
    let mut place = String::new();
    if let Some(exercise) = exercise {
        let _ = write!(place, "file={},", property(&exercise.file.display().to_string()));
        if let Some(line) = exercise.line {
            let _ = write!(place, "line={line},");
        }
    }
    format!("::{kind} {place}title={}::{}", property(title), data(message))
}

/// Text behind the `::` of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text between its commas.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text in a table of Markdown.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// A fence that no run of backticks in the text can close.
fn fence(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    "`".repeat(runs.max().unwrap_or(0).max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::sample;
    use super::super::results::{FailedTest, HostTests};
    use super::*;

    #[test]
    fn the_summary_and_the_errors_read_well() {
        assert_text!("report-github", format!("{}\n{}", summary(&sample()), annotations(&sample())));
    }

    #[test]
    fn a_failed_host_test_is_an_error_of_its_exercise() {
        let mut results = sample();
        let (name, message) = ("tests::ring::x".to_owned(), "left: 1".to_owned());
        let failed = vec![FailedTest { name, exercise: Some("1a".into()), message }];
        results.host_tests = Some(HostTests { status: Status::Fail, passed: 3, failed });
        let error =
            "::error file=stages/stage1-console/src/1a.rs,line=8,title=host test tests%3A%3Aring%3A%3Ax::left: 1\n";
        assert!(annotations(&results).starts_with(error), "{}", annotations(&results));
        assert!(summary(&results).contains("\n**host test** tests::ring::x\n\n```text\nleft: 1\n```\n"));
    }

    #[test]
    fn no_text_breaks_out_of_its_place() {
        assert_eq!(
            command("error", None, "a:b,c", "50%\r\n::error::x"),
            "::error title=a%3Ab%2Cc::50%25%0D%0A::error::x"
        );
        assert_eq!(fence("a ```` b"), "`````");
    }
}
