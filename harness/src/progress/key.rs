//! What a result depended on, as one hash: the same key means that a check would see the same again.
//!
//! Of the exercises it takes the file itself and those whose output it needs. The other exercises of a stage are
//! left out, since the checks hand each exercise objects of its own: editing 1b does not make 1a stale. Besides,
//! the given files of the stage and those before it, the checks on both sides, and the toolchain.

use crate::course::{Course, Exercise, Stage};
use crate::error::{Context, Result};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Makes the keys of one stage. What is common to them is read once.
pub struct Keys<'a> {
    root: &'a Path,
    stage: &'a Stage,
    common: Sha256,
}

impl<'a> Keys<'a> {
    /// Reads what all keys of the stage have in common.
    pub fn new(course: &'a Course, stage: &'a Stage) -> Result<Self> {
        let root = course.root.as_path();
        let mut common = Sha256::new();
        for below in course.stages.iter().filter(|below| below.number <= stage.number) {
            let mine: Vec<PathBuf> = below.lab.exercises.iter().map(|exercise| below.exercise_path(exercise)).collect();
            for file in files(root, &Path::new("stages").join(&below.package))? {
                if !mine.contains(&file) {
                    add_file(&mut common, root, &file)?;
                }
            }
        }
        for file in files(root, &Path::new("harness/src/check").join(format!("stage{}", stage.number)))? {
            add_file(&mut common, root, &file)?;
        }
        add_file(&mut common, root, Path::new("rust-toolchain.toml"))?;
        Ok(Self { root, stage, common })
    }

    /// The key of an exercise's result, with the reference of those exercises that it needs and that are named.
    pub fn exercise(&self, exercise: &Exercise, with_reference: &[String]) -> Result<String> {
        let mut hash = self.common.clone();
        for check in &exercise.checks {
            add(&mut hash, check.id.as_bytes());
            add(&mut hash, format!("{} {}", check.points, check.timeout).as_bytes());
        }
        add_file(&mut hash, self.root, &self.stage.exercise_path(exercise))?;
        for needed in self.stage.needed(exercise) {
            let reference = with_reference.contains(&needed.id);
            let solution = || Path::new("solutions").join(&self.stage.package).join(&needed.file);
            let file = if reference { solution() } else { self.stage.exercise_path(needed) };
            add_file(&mut hash, self.root, &file)?;
        }
        Ok(short(hash))
    }

    /// The key of the result of the stage as a whole.
    pub fn stage(&self) -> Result<String> {
        let mut hash = self.common.clone();
        for exercise in &self.stage.lab.exercises {
            add_file(&mut hash, self.root, &self.stage.exercise_path(exercise))?;
        }
        add(&mut hash, self.stage.lab.integration.id.as_bytes());
        Ok(short(hash))
    }
}

/// All files below `folder`, from the checkout's root, in a fixed order. A folder that is not there has none.
pub(crate) fn files(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        if !path.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&path).on("read", &path)? {
            let entry = entry.on("read", &path)?;
            let relative = folder.join(entry.file_name());
            if entry.file_type().on("look at", &entry.path())?.is_dir() {
                folders.push(relative);
            } else if is_source(&relative) {
                found.push(relative);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Not an editor's swap file or backup.
fn is_source(file: &Path) -> bool {
    file.extension().is_some_and(|extension| ["rs", "toml", "ld", "S"].iter().any(|known| extension == *known))
}

pub(crate) fn add_file(hash: &mut Sha256, root: &Path, file: &Path) -> Result<()> {
    let path = root.join(file);
    let content = std::fs::read(&path).on("read", &path)?;
    add(hash, file.as_os_str().as_encoded_bytes());
    add(hash, &content);
    Ok(())
}

/// With the length before it, so that no two lists of parts give the same bytes.
pub(crate) fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

/// Half of the hash: short in the file, and long enough that no two contents meet by chance.
pub(crate) fn short(hash: Sha256) -> String {
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A stage with two exercises, of which `1b` needs `1a`, and a third alone.
    fn course() -> (tempfile::TempDir, Course) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |path: &str, text: &str| {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        };
        let stage = "[[stage]]\nnumber = 1\nname = \"x\"\npackage = \"stage1-x\"\ntitle = \"X\"\n";
        write("labs/course.toml", &format!("schema = 1\ntitle = \"T\"\n{stage}"));
        let exercise = |id: &str, needs: &str| {
            format!(
                "[[exercise]]\nid = \"{id}\"\ntitle = \"\"\nfile = \"{id}.rs\"\nfeature = \"f\"\nfunctions = []\n\
                 needs = [{needs}]\nminutes = 1\ndifficulty = 1\nbook = \"\"\nhints = [\"\", \"\", \"\"]\n\
                 check = [{{ id = \"{id}.x\", title = \"\", points = 1, explain = \"\" }}]\n"
            )
        };
        let whole = "goals = []\n[integration]\nid = \"1.live\"\ntitle = \"\"\npoints = 1\ntimeout = 1.0\n";
        let exercises = [exercise("1a", ""), exercise("1b", "\"1a\""), exercise("1c", "")].concat();
        write("labs/stage1-x/lab.toml", &format!("{whole}{exercises}"));
        for file in ["1a.rs", "1b.rs", "1c.rs", "lib.rs"] {
            write(&format!("stages/stage1-x/src/{file}"), file);
        }
        write("solutions/stage1-x/1a.rs", "reference");
        write("rust-toolchain.toml", "1");
        let course = Course::load(root).unwrap();
        (folder, course)
    }

    fn keys(course: &Course) -> Vec<String> {
        let stage = &course.stages[0];
        let keys = Keys::new(course, stage).unwrap();
        let exercises = stage.lab.exercises.iter().map(|exercise| keys.exercise(exercise, &[]).unwrap());
        exercises.chain([keys.stage().unwrap()]).collect()
    }

    /// Which keys change with a file: of 1a, 1b, 1c and the stage.
    fn changed(path: &str) -> Vec<bool> {
        let (folder, course) = course();
        let before = keys(&course);
        fs::write(folder.path().join(path), "changed").unwrap();
        before.into_iter().zip(keys(&course)).map(|(before, after)| before != after).collect()
    }

    #[test]
    fn a_key_changes_with_what_the_result_depended_on_and_nothing_else() {
        assert_eq!(changed("stages/stage1-x/src/1a.rs"), [true, true, false, true]);
        assert_eq!(changed("stages/stage1-x/src/1b.rs"), [false, true, false, true]);
        assert_eq!(changed("stages/stage1-x/src/lib.rs"), [true; 4]);
        assert_eq!(changed("rust-toolchain.toml"), [true; 4]);
        assert_eq!(changed("stages/stage1-x/src/.1a.rs.swp"), [false; 4]);
        assert_eq!(changed("solutions/stage1-x/1a.rs"), [false; 4]);
    }

    #[test]
    fn the_reference_of_what_is_needed_counts_where_it_stood_in() {
        let (folder, course) = course();
        let stage = &course.stages[0];
        let key = || Keys::new(&course, stage).unwrap().exercise(&stage.lab.exercises[1], &["1a".into()]).unwrap();
        let before = key();
        fs::write(folder.path().join("stages/stage1-x/src/1a.rs"), "changed").unwrap();
        assert_eq!(key(), before);
        fs::write(folder.path().join("solutions/stage1-x/1a.rs"), "changed").unwrap();
        assert_ne!(key(), before);
    }
}
