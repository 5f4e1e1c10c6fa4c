//! `harness solution`: the reference of an exercise, once it has passed or been given up.

use crate::app::App;
use crate::check::report::Style;
use crate::cli;
use crate::course::{Exercise, Stage};
use crate::error::{Context, Error, Result};
use crate::progress::{Entry, Progress};
use crate::ui::say;
use similar::TextDiff;
use std::path::{Path, PathBuf};

/// Prints the reference, or where it differs from the student's work.
pub fn command(app: &App, arguments: &cli::Solution) -> Result<u8> {
    let (stage, exercise) = app.course.exercise(&arguments.exercise)?;
    let path = Path::new("solutions").join(&stage.package).join(&exercise.file);
    let reference = read(app, &path)?;
    Progress::update(&app.course.root, &app.ui, |progress| open(progress.entry_mut(&exercise.id), arguments.give_up))?
        .map_err(|Closed| closed(&exercise.id))?;
    say(show(app, stage, exercise, (&path, &reference), arguments.diff)?)?;
    let notes = Path::new("solutions").join(&stage.package).join("notes.md");
    if app.course.root.join(&notes).is_file() {
        // Beside the text, which may go to a file.
        app.ui.note(&format!("why it is written so: {}", notes.display()));
    }
    Ok(0)
}

/// The exercise has not passed, and nobody gave it up.
#[derive(Debug, PartialEq, Eq)]
struct Closed;

/// Whether the solution may be shown, which remembers a giving up that made the difference.
fn open(entry: &mut Entry, give_up: bool) -> std::result::Result<(), Closed> {
    if entry.passed || entry.gave_up {
        return Ok(());
    }
    entry.gave_up = give_up;
    if give_up { Ok(()) } else { Err(Closed) }
}

fn closed(id: &str) -> Error {
    Error::usage(format!("{id} has not passed yet, and its solution would take the exercise away from you")).next(format!(
        "`cargo harness hint {id}` helps; `cargo harness solution {id} --give-up` shows it all the same, which is remembered"
    ))
}

fn read(app: &App, path: &PathBuf) -> Result<String> {
    match std::fs::read_to_string(app.course.root.join(path)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let said = format!("{} is not there: this checkout comes without that solution", path.display());
            Err(Error::missing(said).next("ask your instructor when it is handed out"))
        }
        read => read.on("read", path),
    }
}

fn show(app: &App, stage: &Stage, exercise: &Exercise, (path, reference): (&Path, &str), diff: bool) -> Result<String> {
    if !diff {
        return Ok(reference.to_owned());
    }
    let mine = stage.exercise_path(exercise);
    let work = app.course.root.join(&mine);
    let work = std::fs::read_to_string(&work).on("read", &work)?;
    let names = (mine.display().to_string(), path.display().to_string());
    let text = difference((&names.0, &work), (&names.1, reference), app.style);
    Ok(text.unwrap_or_else(|| "your work is the reference, to the letter\n".to_owned()))
}

/// Where two texts differ, each with its name; `None` where they don't.
pub fn difference(from: (&str, &str), to: (&str, &str), style: Style) -> Option<String> {
    let text = TextDiff::from_lines(from.1, to.1).unified_diff().header(from.0, to.0).to_string();
    (!text.is_empty()).then(|| text.lines().map(|line| coloured(line, style) + "\n").collect())
}

/// A line of a diff in its colour.
fn coloured(line: &str, style: Style) -> String {
    let code = match line.as_bytes() {
        [b'+', ..] => "32",
        [b'-', ..] => "31",
        [b'@', ..] => "36",
        _ => return line.to_owned(),
    };
    style.paint(code, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_by_a_pass_or_by_giving_up_which_is_remembered() {
        let mut entry = Entry::default();
        assert_eq!(open(&mut entry, false), Err(Closed));
        assert_eq!((open(&mut entry, true), entry.gave_up), (Ok(()), true));
        assert_eq!(open(&mut entry, false), Ok(()));
        let mut passed = Entry { passed: true, ..Entry::default() };
        assert_eq!((open(&mut passed, true), passed.gave_up), (Ok(()), false));
    }
}
