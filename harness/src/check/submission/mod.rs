//! What somebody has handed in: the exercise files of a stage, taken out of a folder or a zip, and nothing else.
//!
//! A file is taken where it is in the checkout (`stages/stage1-console/src/ring.rs`), or by its name alone at the
//! top; one folder around all of it is looked through. Everything else in there is never read.
//!
//! Invariant: nothing is written to disk, and no more than a bounded amount is read, whatever was handed in. What
//! is wrong with one file costs that exercise only; what is wrong with the whole is an error that says so.

mod archive;
mod folder;

use super::results::{Results, Status};
use super::{Bench, Request, check_on, fail_all};
use crate::app::App;
use crate::course::{Exercise, Stage};
use crate::error::{Error, Kind, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes that an exercise file may have: a hundred times what any needs.
pub const LARGEST: u64 = 256 << 10;
/// Files and folders that are looked through.
const MOST_ENTRIES: usize = 10_000;

/// A submission for one stage.
#[derive(Clone, Debug)]
pub struct Submission {
    /// What it is called in reports.
    pub name: String,
    files: BTreeMap<String, Taken>,
}

/// An exercise's text, or why it is not taken.
pub type Taken = std::result::Result<String, String>;

/// A folder or a zip, seen as names and contents.
trait Source {
    /// The paths of all files that could be exercises, with `/` between their parts.
    fn names(&mut self) -> Result<Vec<String>>;
    /// The first bytes of a file, at most one more than allowed; or why it is not taken.
    fn read(&mut self, name: &str) -> std::result::Result<Vec<u8>, String>;
}

impl Submission {
    /// Reads what was handed in for `stage`.
    ///
    /// # Errors
    /// Where there is no submission for that stage in it, with what is there instead.
    pub fn read(path: &Path, stage: &Stage) -> Result<Self> {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        let found = std::fs::symlink_metadata(path)
            .map_err(|error| Error::usage(format!("there is no submission at {}: {error}", path.display())))?;
        let files = if found.is_dir() {
            take(&mut folder::Folder::open(path)?, &name, stage)?
        } else if found.is_file() {
            take(&mut archive::Archive::open(path, &name)?, &name, stage)?
        } else {
            return Err(refuse(format!("{name} is neither a folder nor a plain file")));
        };
        Ok(Self { name, files })
    }

    /// Exercises by their ids, as if they had been handed in.
    pub fn of(name: &str, files: BTreeMap<String, String>) -> Self {
        Self { name: name.to_owned(), files: files.into_iter().map(|(id, text)| (id, Ok(text))).collect() }
    }

    /// What was handed in for an exercise, if anything was.
    pub fn file(&self, exercise: &Exercise) -> Option<&Taken> {
        self.files.get(&exercise.id)
    }
}

/// Checks what was handed in.
pub fn check(app: &App, request: &Request, path: &Path) -> Result<Results> {
    let submission = Submission::read(path, request.stage)?;
    check_submission(&mut Bench::new(app, app.scale(request.scale)), request, &submission)
}

/// Checks what was handed in, on a bench that may serve others as well.
///
/// Nothing of it runs on this machine but in the guest, so there are no host tests. The reference stands in for what
/// is missing, so that the rest compiles, and earns nothing.
pub fn check_submission(bench: &mut Bench, request: &Request, submission: &Submission) -> Result<Results> {
    let exercises = &request.stage.lab.exercises;
    let missing: Vec<&Exercise> = exercises.iter().filter(|exercise| submission.file(exercise).is_none()).collect();
    let mut work = request.work.clone();
    let solutions = bench.app.course.root.join("solutions").join(&request.stage.package);
    let at_hand = missing.iter().filter(|exercise| solutions.join(&exercise.file).is_file());
    work.references.extend(at_hand.map(|exercise| exercise.id.clone()));
    let request =
        Request { work, keep_going: true, host_tests: false, submission: Some(submission), ..request.clone() };
    let mut results = check_on(bench, &request)?;
    for exercise in &missing {
        let Some(result) = results.exercises.iter_mut().find(|result| result.id == exercise.id) else { continue };
        result.reference = false;
        result.file = request.stage.exercise_path(exercise);
        result.checks.iter_mut().for_each(|check| check.points = 0);
        fail_all(result, Status::NotAttempted, &format!("{} was not handed in", exercise.file));
    }
    if let (Some(first), Some(whole)) = (missing.first(), &mut results.integration) {
        (whole.status, whole.points) = (Status::Blocked, 0);
        whole.message = Some(format!("the live boot needs every exercise; {} was not handed in", first.file));
    }
    results.settle();
    Ok(results)
}

/// An error about a whole submission.
fn refuse(text: impl Into<String>) -> Error {
    Error::new(Kind::Rule, text).next("hand in the zip that `cargo harness submit` writes")
}

fn take(source: &mut impl Source, name: &str, stage: &Stage) -> Result<BTreeMap<String, Taken>> {
    let names = source.names()?;
    if names.is_empty() {
        return Err(refuse(format!("{name} is empty")));
    }
    if let Some(bad) = names.iter().find(|name| leaves(name)) {
        return Err(refuse(format!("{name} holds a path that leads out of it: {}", bad.escape_default())));
    }
    let around = common_folder(&names);
    if let Some(other) = other_stage(source, &names, &around, stage) {
        return Err(refuse(format!("{name} was handed in for {other}, not for {}", stage.package)));
    }
    let mut files = BTreeMap::new();
    for exercise in &stage.lab.exercises {
        let places = [stage.exercise_path(exercise).to_string_lossy().into_owned(), exercise.file.clone()];
        let place = places.iter().map(|place| format!("{around}{place}")).find(|place| names.contains(place));
        if let Some(place) = place {
            let text = source.read(&place).and_then(text).map_err(|reason| format!("{place} {reason}"));
            files.insert(exercise.id.clone(), text);
        }
    }
    if files.is_empty() {
        let wanted: Vec<&str> = stage.lab.exercises.iter().map(|exercise| exercise.file.as_str()).collect();
        return Err(refuse(format!("{name} holds none of the files of {}: {}", stage.package, wanted.join(", "))));
    }
    Ok(files)
}

/// Whether a path is absolute or has a `..` in it, for this system or another.
fn leaves(name: &str) -> bool {
    let mut parts = name.split(['/', '\\']);
    name.starts_with(['/', '\\']) || name.as_bytes().get(1) == Some(&b':') || parts.any(|part| part == "..")
}

/// The one folder that everything lies in, with a `/` behind it; nothing if there is none.
fn common_folder(names: &[String]) -> String {
    let mut tops = names.iter().map(|name| name.split_once('/').map(|(top, _)| top));
    let first = tops.next().flatten();
    match first {
        Some(first) if first != "stages" && tops.all(|top| top == Some(first)) => format!("{first}/"),
        _ => String::new(),
    }
}

/// The other stage that it was handed in for, by its own word or by its files.
fn other_stage(source: &mut impl Source, names: &[String], around: &str, stage: &Stage) -> Option<String> {
    #[derive(Deserialize)]
    struct About {
        stage: String,
    }
    let about = format!("{around}submission.toml");
    if names.contains(&about) {
        let text = source.read(&about).and_then(text).unwrap_or_default();
        if let Ok(About { stage: told }) = toml::from_str(&text) {
            return (told != stage.package).then_some(told);
        }
    }
    let mut stages =
        names.iter().filter_map(|name| name.strip_prefix(around)?.strip_prefix("stages/")?.split_once('/'));
    let ours = stages.clone().any(|(package, _)| package == stage.package);
    stages.next().filter(|_| !ours).map(|(package, _)| package.to_owned())
}

fn text(bytes: Vec<u8>) -> Taken {
    if bytes.len() as u64 > LARGEST {
        return Err(format!("is larger than an exercise may be, {} KiB", LARGEST >> 10));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text; save it as UTF-8 and hand it in again".to_owned())
}

#[cfg(test)]
mod tests;
