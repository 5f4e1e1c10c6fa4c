//! `harness reset`: puts the starter of an exercise back, or the given files, after the student's went to
//! `.harness/backup`.
//!
//! In a handout the starter stands in `labs/given.lock`; elsewhere it is the file in the newest commit in which it
//! still holds `lab_todo!`.

use crate::app::App;
use crate::check::rules;
use crate::cli;
use crate::course::{Exercise, Stage};
use crate::error::{Context, Error, Result};
use crate::git;
use crate::given::{ChangeKind, Lock};
use crate::progress::unused;
use crate::ui::say;
use std::path::{Path, PathBuf};

/// Resets what was asked for, and says where the old files are.
pub fn command(app: &App, arguments: &cli::Reset) -> Result<u8> {
    match &arguments.exercise {
        Some(id) => {
            let (stage, exercise) = app.course.exercise(id)?;
            say(exercise_reset(&app.course.root, stage, exercise)?)?;
        }
        None => say(given_reset(&app.course.root)?)?,
    }
    Ok(0)
}

/// Puts the starter of one exercise back, and returns what there is to say about it.
///
/// # Errors
/// Where the starter can't be found.
pub fn exercise_reset(root: &Path, stage: &Stage, exercise: &Exercise) -> Result<String> {
    let file = stage.exercise_path(exercise);
    let starter = starter(root, stage, exercise)?;
    let next = format!("next: edit {}, then `cargo harness check {}`\n", file.display(), exercise.id);
    if std::fs::read(root.join(&file)).is_ok_and(|now| now == starter.as_bytes()) {
        return Ok(format!("{} is the starter already\n{next}", file.display()));
    }
    let kept = back_up(root, &file, &exercise.id)?;
    replace(&root.join(&file), &starter)?;
    let kept = kept.map_or(String::new(), |kept| format!("your file is kept: {}\n", kept.display()));
    Ok(format!("{} is the starter again\n{kept}{next}", file.display()))
}

/// Puts every given file back that is not as it was handed out, from the history of git.
fn given_reset(root: &Path) -> Result<String> {
    let Some(lock) = Lock::read(root)? else {
        let error = Error::usage("this checkout is no handout, so it doesn't know which files were given");
        return Err(error.next("`git diff` shows what was changed, and `git restore FILE` puts a file back"));
    };
    let changes = lock.changes(root);
    let mut text = String::new();
    for change in &changes {
        let found = match change.kind {
            ChangeKind::Added => None,
            ChangeKind::Edited | ChangeKind::Missing => Some(given(root, &lock, &change.file)?),
        };
        let kept = back_up(root, &change.file, "given")?;
        let path = root.join(&change.file);
        match found {
            Some(found) => replace(&path, &found)?,
            None => std::fs::remove_file(&path).on("remove", &path)?,
        }
        let kept = kept.map_or(String::new(), |kept| format!("; yours is kept: {}", kept.display()));
        text += &format!("{} is as it was handed out{kept}\n", change.file.display());
    }
    if changes.is_empty() {
        text += "every given file is as it was handed out\n";
    }
    Ok(text + "next: `cargo harness check` with the exercise that you are at\n")
}

/// The version of a given file that was handed out.
fn given(root: &Path, lock: &Lock, file: &Path) -> Result<String> {
    let advice = format!("take {} from a fresh clone of the course", file.display());
    let found = git::newest(root, file, |text| lock.is_as_given(file, text.as_bytes()));
    let found = found.map_err(|error| {
        Error::missing(format!("given files come from the history: {}", error.message)).next(&advice)
    })?;
    let none = || Error::missing(format!("no commit holds {} as it was handed out", file.display())).next(&advice);
    found.ok_or_else(none)
}

/// Copies the student's file away; returns where to, from the checkout's root. A lost file needs no copy.
fn back_up(root: &Path, file: &Path, id: &str) -> Result<Option<PathBuf>> {
    let path = root.join(file);
    if !path.exists() {
        return Ok(None);
    }
    let folder = root.join(".harness/backup");
    std::fs::create_dir_all(&folder).on("make", &folder)?;
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let copy = unused(&folder, &format!("{id}-{}", part(file.file_stem())), &part(file.extension()));
    std::fs::copy(&path, &copy).on("copy to", &copy)?;
    Ok(Some(copy.strip_prefix(root).unwrap_or(&copy).to_owned()))
}

/// Beside its place first: a full disk must not cost the student the file.
fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("harness-new");
    std::fs::write(&beside, text).on("write", &beside)?;
    std::fs::rename(&beside, path).on("replace", path)
}

/// What a student began an exercise with.
///
/// # Errors
/// Where neither the handout nor the history holds it.
pub fn starter(root: &Path, stage: &Stage, exercise: &Exercise) -> Result<String> {
    if let Some(text) = Lock::read(root)?.as_ref().and_then(|lock| lock.starter(&exercise.id)) {
        return Ok(text.to_owned());
    }
    let file = stage.exercise_path(exercise);
    let found = git::newest(root, &file, |text| rules::todo_line(text).is_some()).map_err(|error| {
        Error::missing(format!("the starter comes from the history: {}", error.message))
            .next("take the starter's file from a fresh clone of the course")
    })?;
    found.ok_or_else(|| {
        let said = format!("no commit of this checkout holds the starter of {}", file.display());
        Error::missing(said).next("fetch the course's whole history: git fetch --unshallow")
    })
}
