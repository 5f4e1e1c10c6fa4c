//! `labs/given.lock`: what a class was given, as `harness handout` writes it down.
//!
//! It holds the hash of every file that a check depends on and no student edits, and the starter of each exercise.
//! So a check can tell that a given file was edited, and `harness reset` needs no history.
//!
//! Invariant: a checkout without the file is no handout, and knows no such rule.

use crate::course::Course;
use crate::error::{Context, Error, Kind, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where it is, from the checkout's root.
pub const FILE: &str = "labs/given.lock";
const HEADING: &str = "# What this class was given: a hash of each file that nobody edits, and the starters of the exercises.\n\
    # `harness handout` wrote it, and `harness check` and `harness reset` read it.\n";
/// Whatever decides what is built and how it is judged lies in one of these.
const FOLDERS: [&str; 6] = [".cargo", "harness", "images", "labs", "solutions", "stages"];
const FILES: [&str; 3] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

/// The whole file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    schema: u32,
    /// The stage that was open when the class got it.
    pub release: u32,
    /// The hash of each given file.
    given: BTreeMap<String, String>,
    /// The starter of each exercise.
    starter: BTreeMap<String, String>,
}

/// How a file is no longer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file, from the checkout's root.
    pub file: PathBuf,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to a given file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It holds something else.
    Edited,
    /// It is gone, or no plain file.
    Missing,
    /// It is new, and cargo would run it.
    Added,
}

impl Lock {
    /// What the checkout at `root` was given; `None` if it is no handout.
    ///
    /// # Errors
    /// For a file that doesn't parse, with its line.
    pub fn read(root: &Path) -> Result<Option<Self>> {
        let path = root.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.on("read", &path)?,
        };
        let refuse = |why: String| {
            Error::new(Kind::Rule, format!("{FILE} was edited: {why}")).next(format!("git checkout {FILE}"))
        };
        let lock: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if lock.schema == 1 { Ok(Some(lock)) } else { Err(refuse(format!("its schema is {}", lock.schema))) }
    }

    /// Writes down the checkout `course` is loaded from, of which these are the files.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub fn make(course: &Course, release: u32, files: &[PathBuf]) -> Result<Self> {
        let mut lock = Self { schema: 1, release, given: BTreeMap::new(), starter: BTreeMap::new() };
        for file in files {
            let path = course.root.join(file);
            let content = std::fs::read(&path).on("read", &path)?;
            let name = file.to_string_lossy().into_owned();
            let exercises = course.stages.iter().flat_map(|stage| stage.lab.exercises.iter().map(move |e| (stage, e)));
            match { exercises }.find(|(stage, exercise)| stage.exercise_path(exercise) == *file) {
                Some((_, exercise)) => {
                    lock.starter.insert(exercise.id.clone(), String::from_utf8_lossy(&content).into_owned());
                }
                None if is_given(file) => {
                    lock.given.insert(name, hash(&content));
                }
                None => {}
            }
        }
        Ok(lock)
    }

    /// Puts it into the checkout at `root`.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        let text = toml::to_string_pretty(self).map_err(|error| Error::fault(format!("write {FILE}: {error}")))?;
        let path = root.join(FILE);
        std::fs::write(&path, format!("{HEADING}{text}")).on("write", &path)
    }

    /// The starter of an exercise.
    pub fn starter(&self, id: &str) -> Option<&str> {
        self.starter.get(id).map(String::as_str)
    }

    /// Whether `content` is what was given as `file`.
    pub fn is_as_given(&self, file: &Path, content: &[u8]) -> bool {
        self.given.get(file.to_string_lossy().as_ref()).is_some_and(|given| *given == hash(content))
    }

    /// What is not as it was given, in the order of names.
    pub fn changes(&self, root: &Path) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, given) in &self.given {
            let file = PathBuf::from(name);
            let plain = std::fs::symlink_metadata(root.join(&file)).is_ok_and(|found| found.is_file());
            match std::fs::read(root.join(&file)) {
                Ok(content) if plain && hash(&content) == *given => {}
                Ok(_) if plain => changes.push(Change { file: file.clone(), kind: ChangeKind::Edited }),
                _ => changes.push(Change { file: file.clone(), kind: ChangeKind::Missing }),
            }
            // Cargo runs a file of this name beside a manifest without being told to.
            let script = file.with_file_name("build.rs");
            let runs = file.ends_with("Cargo.toml") && !self.given.contains_key(script.to_string_lossy().as_ref());
            if runs && root.join(&script).exists() {
                changes.push(Change { file: script, kind: ChangeKind::Added });
            }
        }
        changes
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ChangeKind::Edited => "edited",
            ChangeKind::Missing => "missing",
            ChangeKind::Added => "added",
        };
        write!(f, "{what}: {}", self.file.display())
    }
}

/// Whether a file decides anything about a check. Texts for people may be written in.
fn is_given(file: &Path) -> bool {
    let first = file.components().next().map(|part| part.as_os_str());
    let text = file.extension().is_some_and(|extension| extension == "md");
    let place = FOLDERS.iter().any(|folder| first == Some(folder.as_ref())) && file.components().count() > 1;
    (place && !text && file != Path::new(FILE)) || FILES.iter().any(|name| file == Path::new(name))
}

/// Of the text with line ends as they were given, whatever git made of them on the way.
fn hash(content: &[u8]) -> String {
    let mut hash = Sha256::new();
    let mut rest = content;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        hash.update(&rest[..at]);
        rest = &rest[at + 1..];
    }
    hash.update(rest);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A checkout of a course with one exercise, and its lock.
    fn handout() -> (tempfile::TempDir, Lock) {
        let folder = tempfile::tempdir().unwrap();
        let stage = "[[stage]]\nnumber = 1\nname = \"x\"\npackage = \"stage1-x\"\ntitle = \"X\"\n";
        let lab = "goals = []\n[integration]\nid = \"1.live\"\ntitle = \"\"\npoints = 1\ntimeout = 1.0\n[[exercise]]\n\
            id = \"1a\"\ntitle = \"\"\nfile = \"a.rs\"\nfeature = \"ref-a\"\nfunctions = []\nminutes = 1\n\
            difficulty = 1\nbook = \"\"\nhints = [\"\", \"\", \"\"]\ncheck = []\n";
        let files = [
            ("labs/course.toml", format!("schema = 1\ntitle = \"T\"\n{stage}")),
            ("labs/stage1-x/lab.toml", lab.to_owned()),
            ("labs/stage1-x/lab.md", "# Lab\n".to_owned()),
            ("stages/stage1-x/Cargo.toml", "[package]\n".to_owned()),
            ("stages/stage1-x/src/lib.rs", "mod a;\nmod b;\n".to_owned()),
            ("stages/stage1-x/src/a.rs", "fn a() { lab_todo!(\"1a\") }\n'''\"\"\"\n".to_owned()),
            ("Cargo.toml", "[workspace]\n".to_owned()),
            ("README.md", "# T\n".to_owned()),
        ];
        for (name, text) in &files {
            fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            fs::write(folder.path().join(name), text).unwrap();
        }
        let course = Course::load(folder.path()).unwrap();
        let names: Vec<PathBuf> = files.iter().map(|(name, _)| name.into()).collect();
        let lock = Lock::make(&course, 1, &names).unwrap();
        lock.write(folder.path()).unwrap();
        (folder, lock)
    }

    fn changes_after(edit: impl FnOnce(&Path)) -> Vec<String> {
        let (folder, lock) = handout();
        edit(folder.path());
        lock.changes(folder.path()).iter().map(Change::to_string).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (folder, lock) = handout();
        assert_eq!(Lock::read(folder.path()).unwrap().unwrap(), lock);
        let starter = fs::read_to_string(folder.path().join("stages/stage1-x/src/a.rs")).unwrap();
        assert_eq!(lock.starter("1a"), Some(starter.as_str()));
        assert!(lock.is_as_given(Path::new("Cargo.toml"), b"[workspace]\r\n"));
        assert!(!lock.is_as_given(Path::new("Cargo.toml"), b"[workspace]"));
        assert!(Lock::read(tempfile::tempdir().unwrap().path()).unwrap().is_none());
    }

    #[test]
    fn edited_lost_and_added_files_are_told() {
        assert_eq!(changes_after(|_| ()), [""; 0]);
        let edit = |root: &Path| fs::write(root.join("stages/stage1-x/src/lib.rs"), "mod b;\n").unwrap();
        assert_eq!(changes_after(edit), ["edited: stages/stage1-x/src/lib.rs"]);
        assert_eq!(changes_after(|root| fs::remove_file(root.join("Cargo.toml")).unwrap()), ["missing: Cargo.toml"]);
        let script = |root: &Path| fs::write(root.join("stages/stage1-x/build.rs"), "").unwrap();
        assert_eq!(changes_after(script), ["added: stages/stage1-x/build.rs"]);
        let link = |root: &Path| {
            fs::rename(root.join("Cargo.toml"), root.join("other")).unwrap();
            std::os::unix::fs::symlink("other", root.join("Cargo.toml")).unwrap();
        };
        assert_eq!(changes_after(link), ["missing: Cargo.toml"]);
    }

    #[test]
    fn exercises_texts_and_line_ends_are_free() {
        let edit = |root: &Path| {
            fs::write(root.join("stages/stage1-x/src/a.rs"), "fn a() {}\n").unwrap();
            fs::write(root.join("labs/stage1-x/lab.md"), "my notes\n").unwrap();
            fs::write(root.join("README.md"), "mine\n").unwrap();
            fs::write(root.join("stages/stage1-x/src/notes.txt"), "").unwrap();
            fs::write(root.join("stages/stage1-x/src/lib.rs"), "mod a;\r\nmod b;\r\n").unwrap();
        };
        assert_eq!(changes_after(edit), [""; 0]);
    }

    #[test]
    fn a_broken_lock_is_told_with_its_line() {
        let (folder, _) = handout();
        for broken in ["schema = 1\n<<<<<<<\n", "schema = 2\nrelease = 1\n[given]\n[starter]\n"] {
            fs::write(folder.path().join(FILE), broken).unwrap();
            let error = Lock::read(folder.path()).unwrap_err();
            assert!(error.kind == Kind::Rule && error.message.contains("labs/given.lock was edited"), "{error}");
        }
    }
}
