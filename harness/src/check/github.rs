//! Results for GitHub Actions: a summary of the job in Markdown, and workflow commands that show errors at their
//! lines.

use super::output::reasons;
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
    for (exercise, check) in wrong(results) {
        let block = reasons(check, exercise);
        let fence = fence(&block);
        let _ = writeln!(text, "\n**{}** {}\n\n{fence}text\n{block}\n{fence}", check.id, check.title);
    }
    text
}

/// Workflow commands: an error a check that went wrong, a warning an exercise not begun, a notice of the points.
pub fn annotations(results: &Results) -> String {
    let mut text = String::new();
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
    use super::*;

    #[test]
    fn the_summary_and_the_errors_read_well() {
        assert_text!("report-github", format!("{}\n{}", summary(&sample()), annotations(&sample())));
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
