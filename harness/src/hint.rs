//! `harness hint`: help in layers, from a nudge to nearly the solution. How many were shown is remembered.

use crate::app::App;
use crate::cli;
use crate::course::{Exercise, Stage};
use crate::error::Result;
use crate::progress::Progress;
use crate::ui::say;
use std::fmt::Write;

/// What the layers are called.
const LAYERS: [&str; 3] = ["a nudge", "the approach", "nearly the solution"];

/// Prints the layers shown so far, at least the first; with `--more`, one further.
pub fn command(app: &App, arguments: &cli::Hint) -> Result<u8> {
    let (stage, exercise) = app.course.exercise(&arguments.exercise)?;
    say(show(app, stage, exercise, arguments.more)?)?;
    Ok(0)
}

/// The text to show, remembered as shown.
pub fn show(app: &App, stage: &Stage, exercise: &Exercise, more: bool) -> Result<String> {
    let (shown, none_left) = Progress::update(&app.course.root, &app.ui, |progress| {
        let entry = progress.entry_mut(&exercise.id);
        let before = entry.hints;
        entry.hints = layers(before, more, exercise.hints.len());
        (entry.hints, more && before == entry.hints)
    })?;
    Ok(text(stage, exercise, shown, none_left))
}

/// How many layers to show when `shown` of `all` were shown before.
fn layers(shown: usize, more: bool, all: usize) -> usize {
    (shown + usize::from(more)).clamp(1.min(all), all)
}

fn text(stage: &Stage, exercise: &Exercise, shown: usize, none_left: bool) -> String {
    let mut text = format!("{} {}\n", exercise.id, exercise.title);
    let all = exercise.hints.len();
    for (index, hint) in exercise.hints.iter().take(shown).enumerate() {
        let layer = LAYERS.get(index).copied().unwrap_or("a hint");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\nhint {} of {all}, {layer}:", index + 1);
        let _ = writeln!(text, "{}", wrapped(hint.trim(), "  "));
    }
    let next = if shown < all {
        format!("try it; `cargo harness hint {} --more` goes further", exercise.id)
    } else if none_left || all == 0 {
        format!("there is no further hint; read {}, or `cargo harness explain {}`", exercise.book, exercise.id)
    } else {
        format!("edit {}, then `cargo harness check {}`", stage.exercise_path(exercise).display(), exercise.id)
    };
    let _ = writeln!(text, "\nnext: {next}");
    text
}

/// Text in lines of at most 96 columns, each behind `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let room = 96 - indent.len();
        if lines.last().is_some_and(|line| !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;
    use std::path::Path;

    #[test]
    fn layers_come_one_at_a_time_and_stay() {
        let shown = |shown, more| layers(shown, more, 3);
        assert_eq!([shown(0, false), shown(1, false), shown(0, true), shown(1, true), shown(3, true)], [1, 1, 1, 2, 3]);
        assert_eq!(layers(0, true, 0), 0);
        // A hint that the course no longer has.
        assert_eq!(layers(5, false, 3), 3);
    }

    #[test]
    fn every_layer_reads_well() {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let (stage, exercise) = course.exercise("1a").unwrap();
        let texts = [text(stage, exercise, 1, false), text(stage, exercise, 3, true)];
        assert_text!("hint", texts.join("---\n"));
    }

    #[test]
    fn words_are_never_split() {
        assert_eq!(wrapped("", "  "), "  ");
        let long = "x".repeat(200);
        assert_eq!(wrapped(&format!("a {long} b"), "  "), format!("  a\n  {long}\n  b"));
    }
}
