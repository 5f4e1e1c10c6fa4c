//! Where the reports of a check go: the screen, files, and the places that a CI server gives.

use super::classroom50::{self, Identity};
use super::report::{self, Style};
use super::results::{CheckResult, ExerciseResult, Results};
use super::{github, gradescope, junit};
use crate::app::App;
use crate::cli::{Format, Outputs};
use crate::course::Stage;
use crate::error::{Context, Error, Result};
use crate::progress::Summary;
use crate::ui::say;
use crate::whole;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes every report asked for. The screen comes first, so that a full disk hides nothing.
pub fn write(app: &App, stage: &Stage, results: &Results, outputs: &Outputs) -> Result<()> {
    say(render(app, stage, results, outputs.alone().unwrap_or_default(), app.style)?)?;
    if outputs.each.iter().any(|(format, _)| *format == Format::Github) {
        say(github::annotations(results))?;
    }
    if outputs.each.contains(&(Format::Github, None)) {
        summarise(&github::summary(results))?;
    }
    write_files(app, stage, results, outputs)
}

/// Writes the reports that go to files.
pub fn write_files(app: &App, stage: &Stage, results: &Results, outputs: &Outputs) -> Result<()> {
    for (format, file) in outputs.each.iter().filter_map(|(format, file)| Some((*format, file.as_deref()?))) {
        // `/dev/stderr`, say: it keeps what it was given before.
        let is_no_file = std::fs::metadata(file).is_ok_and(|there| !there.is_file());
        match render(app, stage, results, format, Style::default()) {
            Ok(text) if is_no_file && results.error.is_none() => std::fs::write(file, text).on("write", file)?,
            Ok(_) if is_no_file => {}
            Ok(text) => whole::write(&std::fs::canonicalize(file).unwrap_or(file.to_owned()), text)?,
            // A score of an earlier check must not be taken for this one's.
            Err(_) if results.error.is_some() && !is_no_file => remove(file)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).on("remove", file),
        _ => Ok(()),
    }
}

fn render(app: &App, stage: &Stage, results: &Results, format: Format, style: Style) -> Result<String> {
    if format == Format::Human {
        // What was found is known by now; without it the report still says enough.
        let summary = Summary::read(app).ok();
        let open = summary.filter(|_| results.mode == "mine").map(|summary| summary.next_in(stage.number));
        let results = if style.decorated { results } else { &plain(results) };
        return Ok(report::human(results, stage, &app.course.root, style, open));
    }
    let results = &plain(results);
    match format {
        Format::Human | Format::Json => json(results),
        Format::Junit => Ok(junit::document(results)),
        Format::Github => Ok(github::summary(results)),
        Format::Gradescope => gradescope::document(results, stage),
        Format::Classroom50 => classroom50::document(results, Identity::of_the_environment()?),
    }
}

/// Adds to the summary of the job that GitHub Actions runs us in. Elsewhere there is none.
fn summarise(text: &str) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(());
    };
    let mut file = std::fs::File::options().append(true).create(true).open(&path).on("open", &path)?;
    file.write_all(text.as_bytes()).on("write", &path)
}

/// What a platform gets that puts a score down, as JSON.
///
/// # Errors
/// Where the test host failed: a score would be one of ours, not of the student's.
pub(super) fn scored(results: &Results, document: &impl Serialize) -> Result<String> {
    if results.exit() == 70 {
        return Err(Error::fault("the test host failed, so there is no score").next("run it again"));
    }
    json(document)
}

fn json(document: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(document);
    text.map(|text| text + "\n").map_err(|error| Error::fault(format!("write the results as JSON: {error}")))
}

/// The same with every text that may have come from a terminal's compiler in black and white.
fn plain(results: &Results) -> Results {
    let mut results = results.clone();
    let tests = results.host_tests.iter_mut().flat_map(|tests| &mut tests.failed).map(|test| &mut test.message);
    tests.for_each(discolour);
    for exercise in &mut results.exercises {
        exercise.message.iter_mut().for_each(discolour);
    }
    for check in results.exercises.iter_mut().flat_map(|exercise| &mut exercise.checks).chain(&mut results.integration)
    {
        check.message.iter_mut().for_each(discolour);
    }
    results
}

fn discolour(text: &mut String) {
    *text = without_colour(text);
}

/// Why a check did not pass, in plain lines.
pub fn reasons(check: &CheckResult, exercise: Option<&ExerciseResult>) -> String {
    let wrong = check.wrong.iter().map(|wrong| {
        let (what, expected, got) = (&wrong.what, &wrong.expected, &wrong.got);
        format!("{what}: expected {expected}, got {got}")
    });
    let mut lines: Vec<String> = wrong.chain(check.message.clone()).collect();
    if lines.is_empty() {
        lines.extend(exercise.and_then(|exercise| exercise.message.clone()));
    }
    if lines.is_empty() {
        lines.push(check.status.word().to_owned());
    }
    lines.extend(check.console.iter().map(|line| format!("console | {line}")));
    without_colour(&lines.join("\n"))
}

/// A text without the colours in which rustc paints its words for a terminal.
pub fn without_colour(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    rest.fold(first, |text, piece| text + piece.strip_prefix('m').unwrap_or(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_for_machines_have_no_colours_and_keep_their_order() {
        let mut results = super::super::results::tests::sample();
        results.exercises[2].message = Some("\x1b[0m\x1b[1;31merror[E0308]\x1b[0m: mismatched".into());
        let text = json(&plain(&results)).unwrap();
        assert!(text.contains("error[E0308]: mismatched") && !text.contains("u001b"), "{text}");
        assert!(text.trim_start_matches(['{', '\n', ' ']).starts_with("\"schema\""), "{text}");
    }

    #[test]
    fn colours_go_and_the_rest_stays() {
        assert_eq!(without_colour("\x1b[1;31merror\x1b[0m: [E0308] m"), "error: [E0308] m");
        assert_eq!(without_colour("plain [0m"), "plain [0m");
    }
}
