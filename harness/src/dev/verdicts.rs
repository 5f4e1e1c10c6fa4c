//! Verdicts that need not be found again: the same image under the same checks gives the same results.
//!
//! Two steps, each a file in the cache. The sources of a guest lead to the hash of its image, so that nothing is
//! built when nothing has changed; the image's hash and the checks' lead to the results. A change of the sources that
//! leaves the image as it was costs a build and no boot.
//!
//! Invariant: what is kept was as it has to be. Anything else is looked at anew each time, for it may have been the
//! machine's doing.

use crate::check::results::Results;
use crate::check::sources;
use crate::course::Stage;
use crate::error::{Context, Result};
use crate::progress::key::{add, add_file, files, short};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of verdicts.
pub struct Verdicts {
    folder: PathBuf,
    /// What all sources have in common.
    given: String,
    /// What the results depend on besides the image.
    checks: String,
}

impl Verdicts {
    /// Those of a stage's guests in the checkout at `root`: `host` is the test host that they boot on, `more` are files
    /// that its checks depend on besides their own source.
    pub fn open(
        cache: &Path,
        root: &Path,
        stage: &Stage,
        toolchain: &str,
        host: &str,
        more: &[PathBuf],
    ) -> Result<Self> {
        let folder = cache.join("verdicts");
        fs::create_dir_all(&folder).on("make", &folder)?;
        let (mut given, mut checks) = (Sha256::new(), Sha256::new());
        add(&mut given, toolchain.as_bytes());
        // What is compiled, and what makes an image of that.
        let mut compiled = files(root, Path::new("stages"))?;
        compiled.extend(files(root, Path::new("harness/src/guest"))?);
        compiled.extend(["Cargo.toml".into(), "Cargo.lock".into()]);
        for file in &compiled {
            add_file(&mut given, root, file)?;
        }
        add(&mut checks, host.as_bytes());
        for file in sources::judging(root, stage)?.iter().chain(more) {
            add_file(&mut checks, root, file)?;
        }
        Ok(Self { folder, given: short(given), checks: short(checks) })
    }

    /// The results for these sources, if they were found before.
    pub fn of_sources(&self, sources: &[&str]) -> Option<Results> {
        let image = fs::read_to_string(self.source_file(sources)).ok()?;
        self.of_image(&image)
    }

    /// The results for the image of this hash, if they were found before.
    pub fn of_image(&self, image: &str) -> Option<Results> {
        let text = fs::read_to_string(self.image_file(image)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Remembers which image came of these sources.
    pub fn put_sources(&self, sources: &[&str], image: &str) -> Result<()> {
        let path = self.source_file(sources);
        fs::write(&path, image).on("write", &path)
    }

    /// Keeps the results for an image.
    pub fn put_image(&self, image: &str, results: &Results) -> Result<()> {
        let path = self.image_file(image);
        fs::write(&path, serde_json::to_string(results).unwrap_or_default()).on("write", &path)
    }

    fn source_file(&self, sources: &[&str]) -> PathBuf {
        self.folder.join(format!("{}.image", hash(&[&[self.given.as_str()], sources].concat())))
    }

    fn image_file(&self, image: &str) -> PathBuf {
        self.folder.join(format!("{}.json", hash(&[image, &self.checks])))
    }
}

/// A hash of texts, each told from the next.
fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| add(&mut hash, part.as_bytes()));
    short(hash)
}

/// The hash of a file.
pub fn hash_file(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(fs::read(path).on("read", path)?);
    Ok(short(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::results::tests::sample;
    use crate::course::Course;

    /// Which of a source's and an image's verdict are still known after a change.
    fn known_after(change: impl FnOnce(&Path), host: &str) -> [bool; 2] {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in ["stages/s/src/lib.rs", "harness/src/guest/image.rs", "harness/src/check/judge.rs", "Cargo.toml"]
            .into_iter()
            .chain(["Cargo.lock", "harness/src/check/report.rs", "lab.toml"])
        {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), file).unwrap();
        }
        let open = |host: &str| {
            Verdicts::open(&root.join("cache"), root, &course.stages[0], "1.95", host, &["lab.toml".into()]).unwrap()
        };
        open("debian").put_image("i", &sample()).unwrap();
        open("debian").put_sources(&["source"], "i").unwrap();
        assert!(open("debian").of_sources(&["source"]).is_some());
        change(root);
        let verdicts = open(host);
        [verdicts.of_sources(&["source"]).is_some(), verdicts.of_image("i").is_some()]
    }

    #[test]
    fn a_verdict_is_known_until_what_it_depends_on_changes() {
        let edit = |file: &'static str| move |root: &Path| fs::write(root.join(file), "changed").unwrap();
        assert_eq!(known_after(edit("harness/src/check/report.rs"), "debian"), [true, true]);
        assert_eq!(known_after(edit("harness/src/check/judge.rs"), "debian"), [false, false]);
        assert_eq!(known_after(edit("lab.toml"), "debian"), [false, false]);
        assert_eq!(known_after(edit("stages/s/src/lib.rs"), "debian"), [false, true]);
        assert_eq!(known_after(edit("Cargo.lock"), "debian"), [false, true]);
        assert_eq!(known_after(|_| (), "another host"), [false, false]);
    }
}
