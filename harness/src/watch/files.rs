//! Notices that a file was saved.
//!
//! By looking at times and sizes, five times a second: a few calls for a few files, and the same on every file
//! system, over a network or into a container, where notifications get lost.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What tells one version of a file from the next; `None` for a file that is not there.
type Stamp = Option<(SystemTime, u64)>;

/// Files under watch.
pub struct Files {
    paths: Vec<PathBuf>,
    settling: Settling,
}

impl Files {
    /// Begins to watch: what changes from now on is told.
    pub fn new(root: &Path, files: impl IntoIterator<Item = PathBuf>) -> Self {
        let paths: Vec<PathBuf> = files.into_iter().map(|file| root.join(file)).collect();
        let settling = Settling { seen: stamps(&paths), changed: None };
        Self { paths, settling }
    }

    /// The place in the list of a file that was saved, once saving is over.
    pub fn saved(&mut self) -> Option<usize> {
        self.settling.look(stamps(&self.paths))
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    paths.iter().map(stamp).collect()
}

/// Waits until a change is over: an editor may write in pieces, or remove the file and put another in its place.
struct Settling {
    seen: Vec<Stamp>,
    changed: Option<usize>,
}

impl Settling {
    /// Takes in how the files are now; tells of a change when nothing has moved since the look before.
    fn look(&mut self, now: Vec<Stamp>) -> Option<usize> {
        match self.seen.iter().zip(&now).position(|(seen, now)| seen != now) {
            Some(index) => {
                self.changed = Some(index);
                self.seen = now;
                None
            }
            None => self.changed.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Stamp {
        Some((SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), seconds))
    }

    #[test]
    fn a_change_is_told_once_and_after_it_is_over() {
        let mut settling = Settling { seen: vec![at(1), at(1)], changed: None };
        let looks = [vec![at(1), at(1)], vec![at(1), None], vec![at(1), at(2)], vec![at(1), at(2)], vec![at(1), at(2)]];
        let told: Vec<Option<usize>> = looks.into_iter().map(|now| settling.look(now)).collect();
        assert_eq!(told, [None, None, None, Some(1), None]);
    }

    #[test]
    fn a_saved_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b"), "1").unwrap();
        let mut files = Files::new(folder.path(), ["a".into(), "b".into()]);
        assert_eq!(files.saved(), None);
        std::fs::write(folder.path().join("b"), "12").unwrap();
        assert_eq!([files.saved(), files.saved(), files.saved()], [None, Some(1), None]);
    }
}
