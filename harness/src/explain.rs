//! `harness explain`: what the checks of an exercise or a stage do, in words.

use crate::app::App;
use crate::cli;
use crate::course::{Exercise, Selection, Stage};
use crate::error::Result;
use crate::hint::wrapped;
use crate::ui::say;
use std::fmt::Write;

/// Prints it.
pub fn command(app: &App, arguments: &cli::Explain) -> Result<u8> {
    let selection = app.course.select(&arguments.selector)?;
    say(text(&selection))?;
    Ok(0)
}

/// What the checks of a selection do.
pub fn text(selection: &Selection) -> String {
    let stage = selection.stage;
    let mut text = String::new();
    let picked = |exercise: &&Exercise| selection.exercise.is_none_or(|only| only.id == exercise.id);
    for exercise in stage.lab.exercises.iter().filter(picked) {
        checks(&mut text, exercise);
    }
    if selection.exercise.is_none() {
        whole(&mut text, stage);
    }
    let id = selection.exercise.map_or_else(|| format!("stage{}", stage.number), |exercise| exercise.id.clone());
    let _ = writeln!(text, "Inputs are drawn anew for every run; what came out is compared with what had to come out.");
    let _ = writeln!(text, "next: `cargo harness check {id}`");
    text
}

fn checks(text: &mut String, exercise: &Exercise) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{} {} ({} points)", exercise.id, exercise.title, exercise.points());
    for check in &exercise.checks {
        let _ = writeln!(text, "  {:<14} {} ({} points)", check.id, check.title, check.points);
        if !check.explain.is_empty() {
            let _ = writeln!(text, "{}", wrapped(&check.explain, "                 "));
        }
    }
    text.push('\n');
}

fn whole(text: &mut String, stage: &Stage) {
    let check = &stage.lab.integration;
    let _ = writeln!(text, "  {:<14} {} ({} points)", check.id, check.title, check.points);
    let explain = "The stage boots on your exercises alone, without any reference, and its console is compared \
                   with that of the reference.";
    let _ = writeln!(text, "{}\n", wrapped(explain, "                 "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;
    use std::path::Path;

    #[test]
    fn an_exercise_and_a_stage_are_explained() {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        assert_text!("explain", text(&course.select("1b").unwrap()));
        let stage = text(&course.select("stage1").unwrap());
        assert!(["1a.fits", "1b.magic", "1c.events", "1.live"].iter().all(|id| stage.contains(id)), "{stage}");
    }
}
