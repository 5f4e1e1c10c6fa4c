//! The folder of results: what goes to students, what stays with the instructor, and what is known already.
//!
//! | place | holds |
//! |---|---|
//! | `grades.csv`, `class.md` | the class |
//! | `reports/<student>/` | `report.md` and `results.json`, for the student |
//! | `logs/` | consoles, and with hidden checks the whole results; for the instructor |
//! | `.state/` | the class's seed, and what each mark depended on |
//!
//! Invariant: a file is there whole or not at all, and the key of a mark is written after all else of it.

use crate::cache::Lock;
use crate::check::results::Results;
use crate::error::{Context, Error, Result};
use crate::whole;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder, which one command at a time has.
pub struct Folder {
    path: PathBuf,
    _lock: Lock,
}

impl Folder {
    /// Makes the folder, or goes on with one.
    pub fn open(path: &Path) -> Result<Self> {
        for part in ["reports", "logs", ".state"] {
            let part = path.join(part);
            fs::create_dir_all(&part).on("make", &part)?;
        }
        let path = fs::canonicalize(path).on("find", path)?;
        let busy =
            || Error::missing(format!("another `grade` writes to {}", path.display())).next("wait until it ends");
        let lock = Lock::try_take(&path.join(".state/lock"))?.ok_or_else(busy)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The seed of the class: what was asked for, or that of the run before, or a new one.
    pub fn seed(&self, asked: Option<u64>) -> Result<u64> {
        let file = self.path.join(".state/seed");
        let before = || fs::read_to_string(&file).ok()?.trim().parse().ok();
        let seed = asked.or_else(before).unwrap_or_else(|| fastrand::u64(..));
        self.write(".state/seed", &format!("{seed}\n")).map(|()| seed)
    }

    /// Where a student's console is kept.
    pub fn log(&self, student: &str) -> PathBuf {
        self.path.join("logs").join(format!("{}.log", file_name(student)))
    }

    /// The mark that was found before for this key. One for which time was short counts only where no more would be
    /// given now: `scale` is what deadlines are multiplied by.
    pub fn known(&self, student: &str, key: &str, scale: f64) -> Option<Results> {
        let name = file_name(student);
        let known = fs::read_to_string(self.path.join(".state/keys").join(&name)).ok()?;
        let text = fs::read_to_string(self.path.join("reports").join(name).join("results.json")).ok()?;
        let mut words = known.split_whitespace();
        let same = words.next() == Some(key);
        let enough = words.next().is_none_or(|before| before.parse().is_ok_and(|before: f64| before >= scale));
        (same && enough).then_some(())?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps a mark, as students read it; `short_at` is what deadlines were multiplied by, where one was missed.
    pub fn keep(&self, student: &str, key: &str, short_at: Option<f64>, results: &Results) -> Result<()> {
        let name = file_name(student);
        self.write(&format!("reports/{name}/results.json"), &json(results)?)?;
        let short_at = short_at.map(|scale| format!(" {scale}")).unwrap_or_default();
        self.write(&format!(".state/keys/{name}"), &format!("{key}{short_at}"))
    }

    /// Keeps what students do not read of a mark.
    pub fn keep_all(&self, student: &str, results: &Results) -> Result<()> {
        self.write(&format!("logs/{}.json", file_name(student)), &json(results)?)
    }

    /// Keeps the text that a student reads.
    pub fn report(&self, student: &str, text: &str) -> Result<()> {
        self.write(&format!("reports/{}/report.md", file_name(student)), text)
    }

    /// Writes a file of the class.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        whole::write(&self.path.join(name), text)
    }
}

fn json(results: &Results) -> Result<String> {
    serde_json::to_string_pretty(results).map_err(|error| Error::fault(format!("write the results: {error}")))
}

/// A name under which a student's files are kept, on any system: the student's, with a hash where that is no good.
pub fn file_name(student: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_.@+".contains(c);
    if student.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && student.chars().all(safe)
        && student.len() < 100
    {
        return student.to_owned();
    }
    let kept: String = student.chars().map(|c| if safe(c) { c } else { '_' }).take(80).collect();
    format!("_{kept}-{:08x}", crc32fast::hash(student.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::results::tests::sample;

    #[test]
    fn names_become_files_that_any_system_takes() {
        for plain in ["anna", "a.b-c_d@example.org", "s0123456"] {
            assert_eq!(file_name(plain), plain);
        }
        for odd in ["../x", "/etc/passwd", "Jörg Müller", ".hidden", "a\nb", "", "a/b", &"x".repeat(300)] {
            let name = file_name(odd);
            assert!(name.starts_with('_') && !name.contains(['/', '\n', ' ']) && name.len() < 100, "{name}");
        }
        assert_ne!(file_name("Jörg"), file_name("Järg"));
    }

    #[test]
    fn a_mark_is_known_by_its_key_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(&place.path().join("grades")).unwrap();
        let known = |student: &str, key: &str, scale: f64| folder.known(student, key, scale).is_some();
        assert!(!known("anna", "k", 1.0));
        folder.keep("anna", "k", None, &sample()).unwrap();
        assert_eq!(folder.known("anna", "k", 1.0).unwrap().totals.points, sample().totals.points);
        assert!(known("anna", "k", 3.0) && !known("anna", "other", 1.0) && !known("bert", "k", 1.0));
        folder.keep("anna", "k", Some(2.0), &sample()).unwrap();
        assert!(known("anna", "k", 1.5) && known("anna", "k", 2.0) && !known("anna", "k", 2.5), "time was short");
        assert!(Folder::open(&place.path().join("grades")).is_err(), "two at once");
    }

    #[test]
    fn the_class_keeps_its_seed() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let seed = folder.seed(None).unwrap();
        assert_eq!(folder.seed(None).unwrap(), seed);
        assert_eq!((folder.seed(Some(7)).unwrap(), folder.seed(None).unwrap()), (7, 7));
    }
}
