//! `harness reset`: puts the starter of an exercise back, after the student's file went to `.harness/backup`.
//!
//! The starter is the file in the newest commit in which it still holds `lab_todo!`.

use crate::app::App;
use crate::check::rules;
use crate::cli;
use crate::error::{Context, Error, Kind, Result};
use crate::process;
use crate::progress::unused;
use crate::ui::say;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Resets it, and says where the old file is.
pub fn command(app: &App, arguments: &cli::Reset) -> Result<u8> {
    let (stage, exercise) = app.course.exercise(&arguments.exercise)?;
    let root = &app.course.root;
    let file = stage.exercise_path(exercise);
    let starter = starter(root, &file)?;
    if std::fs::read(root.join(&file)).is_ok_and(|now| now == starter.as_bytes()) {
        say(format_args!("{} is the starter already\n", file.display()))?;
    } else {
        let kept = back_up(root, &file, &exercise.id)?;
        replace(&root.join(&file), &starter)?;
        say(format_args!("{} is the starter again\n", file.display()))?;
        if let Some(kept) = kept {
            say(format_args!("your file is kept: {}\n", kept.display()))?;
        }
    }
    say(format_args!("next: edit {}, then `cargo harness check {}`\n", file.display(), exercise.id))?;
    Ok(0)
}

/// Copies the student's file away; returns where to, from the checkout's root. A lost file needs no copy.
fn back_up(root: &Path, file: &Path, id: &str) -> Result<Option<PathBuf>> {
    let path = root.join(file);
    if !path.exists() {
        return Ok(None);
    }
    let folder = root.join(".harness/backup");
    std::fs::create_dir_all(&folder).on("make", &folder)?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let copy = unused(&folder, &format!("{id}-{stem}"), "rs");
    std::fs::copy(&path, &copy).on("copy to", &copy)?;
    Ok(Some(copy.strip_prefix(root).unwrap_or(&copy).to_owned()))
}

/// Beside its place first: a full disk must not cost the student the file.
fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("rs.new");
    std::fs::write(&beside, text).on("write", &beside)?;
    std::fs::rename(&beside, path).on("replace", path)
}

/// The newest version of `file` in which the exercise is still to do.
fn starter(root: &Path, file: &Path) -> Result<String> {
    let name = file.display();
    let commits = git(root, &["log", "--format=%H", "--", &name.to_string()])?;
    for commit in commits.lines() {
        // A commit that removed the file has none to show.
        if let Ok(text) = git(root, &["show", &format!("{commit}:./{name}")])
            && rules::todo_line(&text).is_some()
        {
            return Ok(text);
        }
    }
    let said = format!("no commit of this checkout holds the starter of {name}");
    Err(Error::missing(said).next("fetch the course's whole history: git fetch --unshallow"))
}

fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    if crate::prerequisites::find("git").is_none() {
        return Err(Error::missing("git is not installed; the starters are in its history")
            .next("sudo apt-get install -y --no-install-recommends git"));
    }
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(arguments);
    // Set where a hook of git's runs us, and meant for its repository.
    for variable in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
        command.env_remove(variable);
    }
    let said = process::run(&mut command, Duration::from_secs(30))?;
    if said.success() {
        return Ok(said.stdout);
    }
    let reason = said.stderr.lines().next().unwrap_or("git did not end in time").to_owned();
    Err(Error::new(Kind::Missing, format!("the starter comes from the history of git, which says: {reason}"))
        .next("take the starter's file from a fresh clone of the course"))
}
