//! What a student has reached: `.harness/progress.toml`, written by `harness check`, read by everything that says
//! where somebody stands.
//!
//! Invariant: the file is replaced whole or not at all, under a lock, so neither a crash nor a second harness loses
//! a result. A file that cannot be read is set aside, never overwritten. A result is worth something only for the
//! content that it was found for: see [`key`].

pub mod key;
mod state;

pub use state::{Next, StageStanding, Standing, State, Summary};

use crate::app::App;
use crate::cache::Lock;
use crate::check::results::{Results, Status};
use crate::course::Stage;
use crate::error::{Context, Error, Result};
use crate::ui::Ui;
use crate::whole;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where it is, from the checkout's root.
const FILE: &str = ".harness/progress.toml";
/// Said at the top of the file to whoever opens it.
const HEADING: &str =
    "# What `harness check` found of each exercise, and which hints were shown. It may be committed.\n";

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Progress {
    schema: u32,
    /// What is known about each exercise, and under its id about each stage as a whole.
    #[serde(default)]
    exercise: BTreeMap<String, Entry>,
}

/// What is known about one exercise.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Entry {
    /// Whether it has ever passed.
    pub passed: bool,
    /// How many layers of hints were shown.
    pub hints: usize,
    /// Whether the solution was shown before it had passed.
    pub gave_up: bool,
    /// What the last check found.
    pub last: Option<Last>,
}

/// What the last check of an exercise found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Last {
    /// How it ended.
    pub status: Status,
    /// Points earned.
    pub points: u32,
    /// Hash of all that the result depended on.
    pub key: String,
    /// Exercises that this one needs and for which the reference stood in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_reference: Vec<String>,
}

impl Progress {
    /// What is known in the checkout at `root`. A file that makes no sense counts as none, and is set aside.
    pub fn load(root: &Path, ui: &Ui) -> Result<Self> {
        let path = root.join(FILE);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.on("read", &path)?,
        };
        match parse(&bytes) {
            Ok(progress) => Ok(progress),
            Err(reason) => {
                let aside = set_aside(&path)?;
                let aside = aside.strip_prefix(root).unwrap_or(&aside).display().to_string();
                ui.note(&format!("{FILE} cannot be read ({reason}); it is kept as {aside}, and a new one begins"));
                Ok(Self::default())
            }
        }
    }

    /// Changes what is known, for good.
    pub fn update<T>(root: &Path, ui: &Ui, change: impl FnOnce(&mut Self) -> T) -> Result<T> {
        let path = root.join(FILE);
        let folder = path.parent().unwrap_or(root);
        std::fs::create_dir_all(folder).on("make", folder)?;
        let _lock = Lock::wait(&folder.join("progress.lock"), |_| ())?;
        let before = Self::load(root, ui)?;
        let mut progress = before.clone();
        let made = change(&mut progress);
        if progress != before {
            progress.save(&path)?;
        }
        Ok(made)
    }

    fn save(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(&Self { schema: 1, ..self.clone() });
        let text = text.map_err(|error| Error::fault(format!("write {FILE}: {error}")))?;
        whole::write(path, format!("{HEADING}{text}"))
    }

    /// What is known about the exercise called `id`.
    pub fn entry(&self, id: &str) -> Entry {
        self.exercise.get(id).cloned().unwrap_or_default()
    }

    /// The same, to change it.
    pub fn entry_mut(&mut self, id: &str) -> &mut Entry {
        self.exercise.entry(id.to_owned()).or_default()
    }

    fn put(&mut self, id: &str, last: Last) {
        let entry = self.entry_mut(id);
        entry.passed |= last.status == Status::Pass;
        entry.last = Some(last);
    }
}

/// Keeps what a check of the student's own work found. That it cannot be kept is worth a note, and no more: the
/// result itself is on the screen.
pub fn record(app: &App, stage: &Stage, results: &Results) {
    let kept = key::Keys::new(&app.course, stage).and_then(|keys| {
        Progress::update(&app.course.root, &app.ui, |progress| take_in(progress, stage, results, &keys))
    });
    if let Err(error) = kept.and_then(|inner| inner) {
        app.ui.note(&format!("progress was not kept: {error}"));
    }
}

fn take_in(progress: &mut Progress, stage: &Stage, results: &Results, keys: &key::Keys) -> Result<()> {
    let references: Vec<&str> =
        results.exercises.iter().filter(|result| result.reference).map(|result| result.id.as_str()).collect();
    for result in results.exercises.iter().filter(|result| !result.reference && says_something(result.status)) {
        let exercise = stage.exercise(&result.id)?;
        // Another file stood in the way, which says nothing about this one.
        if result.file != stage.exercise_path(exercise) {
            continue;
        }
        let needed = stage.needed(exercise);
        let stood_in = needed.iter().map(|needed| needed.id.clone()).filter(|id| references.contains(&id.as_str()));
        let with_reference: Vec<String> = stood_in.collect();
        let key = keys.exercise(exercise, &with_reference)?;
        progress.put(&result.id, Last { status: result.status, points: result.points, key, with_reference });
    }
    let whole = results.integration.iter().filter(|whole| references.is_empty() && says_something(whole.status));
    for whole in whole {
        let last = Last { status: whole.status, points: whole.points, key: keys.stage()?, with_reference: Vec::new() };
        progress.put(&whole.id, last);
    }
    Ok(())
}

/// Whether a status says anything about the work itself.
fn says_something(status: Status) -> bool {
    !matches!(status, Status::Blocked | Status::Infra)
}

fn parse(bytes: &[u8]) -> std::result::Result<Progress, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let progress: Progress = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        format!("line {line}: {}", error.message().lines().next().unwrap_or_default())
    })?;
    if progress.schema == 1 { Ok(progress) } else { Err(format!("its schema is {}", progress.schema)) }
}

/// Renames a file to a name that is not taken.
fn set_aside(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(".")).join("backup");
    std::fs::create_dir_all(&folder).on("make", &folder)?;
    let aside = unused(&folder, "progress", "toml");
    std::fs::rename(path, &aside).on("set aside", path)?;
    Ok(aside)
}

/// A name in `folder` that is not taken: `stem-1.extension`, or the next number.
pub fn unused(folder: &Path, stem: &str, extension: &str) -> PathBuf {
    let named = |number: u32| folder.join(format!("{stem}-{number}.{extension}"));
    (1..).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(status: Status) -> Last {
        Last { status, points: 12, key: "0123".into(), with_reference: Vec::new() }
    }

    #[test]
    fn what_was_kept_is_there_again_and_reads_well() {
        let root = tempfile::tempdir().unwrap();
        let change = |progress: &mut Progress| {
            progress.put("1a", last(Status::Pass));
            progress.put("1a", last(Status::Fail));
            progress.entry_mut("1b").hints = 2;
        };
        Progress::update(root.path(), &Ui::silent(), change).unwrap();
        let progress = Progress::load(root.path(), &Ui::silent()).unwrap();
        assert!(progress.entry("1a").passed);
        assert_eq!(progress.entry("1a").last, Some(last(Status::Fail)));
        assert_eq!((progress.entry("1b").hints, progress.entry("1c")), (2, Entry::default()));
        let text = std::fs::read_to_string(root.path().join(FILE)).unwrap();
        assert_text!("progress", text);
    }

    #[test]
    fn a_broken_file_is_set_aside_and_never_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(FILE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for broken in [&b"<<<<<<< HEAD\nschema = 1\n"[..], b"\xff\xfe", b"schema = 2\n", b""] {
            std::fs::write(&path, broken).unwrap();
            Progress::update(root.path(), &Ui::silent(), |progress| progress.entry_mut("1a").hints = 1).unwrap();
            assert_eq!(Progress::load(root.path(), &Ui::silent()).unwrap().entry("1a").hints, 1);
        }
        let kept = std::fs::read(root.path().join(".harness/backup/progress-1.toml")).unwrap();
        assert!(kept.starts_with(b"<<<<<<< HEAD"));
        assert_eq!(std::fs::read_dir(root.path().join(".harness/backup")).unwrap().count(), 4);
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        assert_eq!(parse(b"schema = 1\n[exercise.1a]\nhints = \"x\"\n").unwrap_err().split(':').next(), Some("line 3"));
        assert_eq!(parse(b"schema = 2\n").unwrap_err(), "its schema is 2");
    }

    #[test]
    fn two_at_once_lose_nothing() {
        let root = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let root = root.path();
                scope.spawn(move || {
                    for _ in 0..5 {
                        Progress::update(root, &Ui::silent(), |progress| progress.entry_mut(name).hints += 1).unwrap();
                    }
                });
            }
        });
        let progress = Progress::load(root.path(), &Ui::silent()).unwrap();
        assert!(["a", "b", "c", "d"].iter().all(|name| progress.entry(name).hints == 5));
    }
}
