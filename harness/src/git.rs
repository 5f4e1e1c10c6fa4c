//! Git, for the history of a checkout and the first commit of a handout.
//!
//! Invariant: it works on the folder it is given. What a hook or a caller's settings would have it do elsewhere, or
//! besides, it doesn't.

use crate::error::{Error, Kind, Result};
use crate::{prerequisites, process};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Whether there is a git to call.
pub fn is_there() -> bool {
    prerequisites::find("git").is_some()
}

/// Runs git in `folder`, and returns what it printed.
///
/// # Errors
/// Where it isn't installed, and with its own first line where it doesn't succeed.
pub fn run(folder: &Path, arguments: &[&str]) -> Result<String> {
    if !is_there() {
        return Err(Error::missing("git is not installed").next("sudo apt-get install -y --no-install-recommends git"));
    }
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .args(["-c", "core.quotePath=false", "-c", "core.hooksPath=/dev/null"])
        .args(arguments);
    // Set where a hook of git's runs us, and meant for its repository.
    for variable in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    let said = process::run(command, Duration::from_secs(60))?;
    if said.success() {
        return Ok(said.stdout);
    }
    let reason = said.stderr.lines().next().unwrap_or("it did not end in time").to_owned();
    Err(Error::new(Kind::Missing, format!("git says: {reason}")))
}

/// The newest version of a file for which `wanted` holds. `file` is told from `folder`.
///
/// # Errors
/// Where there is no history; `None` where it holds no such version.
pub fn newest(folder: &Path, file: &Path, wanted: impl Fn(&str) -> bool) -> Result<Option<String>> {
    let name = file.display().to_string();
    let commits = run(folder, &["log", "--format=%H", "--", &name])?;
    // A commit that removed the file has none to show.
    let mut versions = commits.lines().filter_map(|commit| run(folder, &["show", &format!("{commit}:./{name}")]).ok());
    Ok(versions.find(|text| wanted(text)))
}
