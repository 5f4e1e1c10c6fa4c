//! `harness bless`: takes what the reference does now for what it has to do.
//!
//! Two texts of a stage are kept as snapshots: the console of the reference, which every check compares, and what a
//! student reads about each mutant. After a change that is meant, this makes them anew.
//!
//! Invariant: only a reference that passes everything else is taken, and what changes is on the screen before it is in
//! a file.

use crate::app::App;
use crate::check::results::{Results, Status};
use crate::check::{self, Bench, Request, live, report};
use crate::cli;
use crate::course::Stage;
use crate::dev::verify::{How, verify};
use crate::dev::view;
use crate::error::{Context, Error, Result};
use crate::solution;
use crate::ui::say;
use crate::work::Work;
use std::fs;
use std::path::Path;

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Bless) -> Result<u8> {
    let mut bench = Bench::new(app, app.scale(None));
    let mut changed = false;
    for stage in app.course.chosen(arguments.stage.as_deref())? {
        let Some(console) = console(app, &mut bench, stage)? else { return Ok(1) };
        changed |= console;
        if !arguments.console {
            let Some(mutants) = mutants(app, stage)? else { return Ok(1) };
            changed |= mutants;
        }
    }
    if changed {
        say("next: read with `git diff` what is expected from now on, and commit it\n")?;
    }
    Ok(0)
}

/// Takes the reference's console. Returns whether that changed anything; `None` if it could not be taken.
fn console(app: &App, bench: &mut Bench, stage: &Stage) -> Result<Option<bool>> {
    let request = Request { keep_going: true, ..Request::new(stage, Work::reference(&app.course, stage)) };
    let results = check::check_on(bench, &request)?;
    if !passes_but_for_the_snapshot(&results) {
        say(report::human(&results, stage, &app.course.root, app.style, None))?;
        say(format_args!("nothing was blessed: the reference of stage {} does not pass\n", stage.number))?;
        return Ok(None);
    }
    let path = app.course.root.join(&request.log);
    let log = fs::read_to_string(&path).on("read", &path)?;
    let console = live::steady(&log).ok_or_else(|| Error::fault("the reference passes and left no console"))?;
    let about = format!("The console of stage {}'s reference under check.", stage.number);
    take(app, &live::snapshot_path(stage.number), &about, &console).map(Some)
}

fn passes_but_for_the_snapshot(results: &Results) -> bool {
    let passes = |status: Status| status == Status::Pass;
    let exercises = results.exercises.iter().all(|exercise| passes(exercise.status));
    let tests = results.host_tests.as_ref().is_none_or(|tests| passes(tests.status));
    let whole = results.integration.as_ref().is_some_and(|whole| {
        let only_that = !whole.wrong.is_empty() && whole.wrong.iter().all(|wrong| wrong.what == live::SNAPSHOT);
        passes(whole.status) || (whole.status == Status::Fail && only_that)
    });
    exercises && tests && whole
}

/// Takes what students read about the mutants. Returns as [`console`] does.
fn mutants(app: &App, stage: &Stage) -> Result<Option<bool>> {
    let verified = verify(app, stage, How::default())?;
    let problems: Vec<String> = verified
        .iter()
        .flat_map(|one| one.problems.iter().map(move |problem| format!("{}: {problem}\n", one.name)))
        .collect();
    if !problems.is_empty() {
        say(problems.concat())?;
        let number = stage.number;
        say(format_args!("the view of the mutants was not blessed: `cargo harness dev verify stage{number}` fails\n"))?;
        return Ok(None);
    }
    let text = view::mutants(&verified, stage, &app.course.root);
    take(app, &view::snapshot_path(stage.number), "What a student reads about each mutant.", &text).map(Some)
}

/// Shows what changes in a snapshot, then changes it. Returns whether anything does.
fn take(app: &App, file: &Path, about: &str, text: &str) -> Result<bool> {
    let path = app.course.root.join(file);
    let before = fs::read_to_string(&path).unwrap_or_default();
    let old = live::snapshot_text(&before).unwrap_or_default();
    let text = text.trim_end();
    let name = file.display().to_string();
    let (from, to) = (format!("{old}\n"), format!("{text}\n"));
    let Some(difference) = solution::difference((&name, &from), (&name, &to), app.style) else {
        say(format_args!("{name} is as it was\n"))?;
        return Ok(false);
    };
    say(difference)?;
    fs::write(&path, snapshot(&before, about, text)).on("write", &path)?;
    say(format_args!("{name} is blessed\n"))?;
    Ok(true)
}

/// The file of a snapshot, under the header that it had before, or a new one.
fn snapshot(before: &str, about: &str, text: &str) -> String {
    let header = before.strip_prefix("---\n").and_then(|rest| Some(rest.split_once("\n---\n")?.0));
    let header = header.map_or_else(|| format!("source: harness/src/bless.rs\ndescription: {about}"), str::to_owned);
    format!("---\n{header}\n---\n{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::results::tests::{check, sample};
    use crate::check::results::{CheckResult, Wrong};

    #[test]
    fn a_snapshot_keeps_its_header() {
        assert_eq!(snapshot("---\nsource: x\n---\nold\n", "y", "new"), "---\nsource: x\n---\nnew\n");
        let fresh = snapshot("", "About it.", "new");
        assert_eq!(fresh, "---\nsource: harness/src/bless.rs\ndescription: About it.\n---\nnew\n");
        assert_eq!(live::snapshot_text(&fresh), Some("new"));
    }

    #[test]
    fn only_the_console_itself_may_differ() {
        let with = |exercises: bool, wrong: &[&str]| {
            let mut results = sample();
            if exercises {
                results.exercises.clear();
            }
            let wrong = wrong.iter().map(|what| Wrong { what: (*what).into(), expected: "a".into(), got: "b".into() });
            let status = if wrong.len() > 0 { Status::Fail } else { Status::Pass };
            results.integration = Some(CheckResult { wrong: wrong.collect(), ..check("1.live", status) });
            passes_but_for_the_snapshot(&results)
        };
        assert!(with(true, &[]) && with(true, &[live::SNAPSHOT]));
        assert!(!with(false, &[]) && !with(true, &["the word"]) && !with(true, &[live::SNAPSHOT, "the word"]));
    }
}
