//! Which files a class gets.

use crate::course::Course;
use crate::error::{Context, Result};
use crate::git;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of the checkout at `root`: those that git tracks, where it can tell, as they are now. `place` is where
/// the handout will be, which may lie inside.
pub fn files(root: &Path, place: &Path) -> Result<Vec<PathBuf>> {
    let tracked = if root.join(".git").exists() && git::is_there() {
        git::run(root, &["ls-files", "-z"])?.split_terminator('\0').map(PathBuf::from).collect()
    } else {
        walk(root, place)?
    };
    Ok(tracked.into_iter().filter(|file| root.join(file).is_file()).collect())
}

/// Everything but what is made by building and checking.
fn walk(root: &Path, place: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        for entry in fs::read_dir(&path).on("read", &path)? {
            let entry = entry.on("read", &path)?;
            let name = folder.join(entry.file_name());
            let made = ["target", ".git", ".harness"].iter().any(|made| name.ends_with(made));
            if !made && entry.path() != place {
                let is_folder = entry.file_type().on("look at", &entry.path())?.is_dir();
                if is_folder { folders.push(name) } else { files.push(name) }
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a class gets this file when stage `release` opens.
pub fn stays(file: &Path, course: &Course, release: u32) -> bool {
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    // What lies about in a folder of this name was meant for nobody's eyes.
    if parts.contains(&"hidden") {
        return false;
    }
    match &parts[..] {
        // Solutions of stages that are over, without the wrong answers and the notes for those who mark.
        ["solutions", package, .., name] => {
            let over = course.stages.iter().any(|stage| stage.package == *package && stage.number < release);
            over && name.ends_with(".rs")
        }
        ["solutions", ..] => false,
        // The harness's own tests hold right answers, and the snapshot of the mutants holds wrong ones.
        ["harness", "tests" | "templates", ..] => false,
        ["harness", "snapshots", name] => !name.starts_with("mutants-"),
        ["book", "src", "instructor", ..] => false,
        // Somebody's progress, this repository's own automation, and its own first page.
        [".harness" | ".ci" | ".github", ..] | ["README.md"] => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solutions_stay_once_their_stage_is_over_and_notes_never() {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let stays = |file: &str, release: u32| super::stays(Path::new(file), &course, release);
        assert!(!stays("solutions/stage1-console/ring.rs", 1) && stays("solutions/stage1-console/ring.rs", 2));
        for never in [
            "solutions/stage1-console/mutants.toml",
            "solutions/stage1-console/notes.md",
            "solutions/README.md",
            "harness/tests/xen/lab.rs",
            "harness/snapshots/mutants-stage1.snap",
            "labs/stage1-console/hidden/lab.toml",
            "hidden/x.rs",
            "book/src/instructor/trust.md",
            ".harness/progress.toml",
        ] {
            assert!(!stays(never, 2), "{never}");
        }
        for always in [
            "stages/stage1-console/src/ring.rs",
            "harness/snapshots/stage1.snap",
            "labs/course.toml",
            ".cargo/config.toml",
        ] {
            assert!(stays(always, 1), "{always}");
        }
    }

    #[test]
    fn without_git_everything_is_taken_but_what_was_built() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["a/b.rs", "target/x", "a/target/y", ".harness/z", "out/c", "README.md"] {
            fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
            fs::write(folder.path().join(file), "").unwrap();
        }
        let found = files(folder.path(), &folder.path().join("out")).unwrap();
        assert_eq!(found, [Path::new("README.md"), Path::new("a/b.rs")]);
    }
}
