//! Verdicts that need not be found again: the same image under the same checks gives the same results.
//!
//! Two steps, each a file in the cache. The sources of a guest lead to the hash of its image, so that nothing is
//! built when nothing has changed; the image's hash and the checks' lead to the results. A change of the sources that
//! leaves the image as it was costs a build and no boot.

use crate::check::results::Results;
use crate::error::{Context, Result};
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
    /// Those of guests of the checkout at `root`, and of these checks.
    pub fn open(cache: &Path, root: &Path, toolchain: &str, checks: &str) -> Result<Self> {
        let folder = cache.join("verdicts");
        fs::create_dir_all(&folder).on("make", &folder)?;
        let mut given = Sha256::new();
        given.update(toolchain);
        // What is compiled, and what makes an image of that.
        for folder in ["stages", "harness/src/guest"] {
            add(&mut given, &root.join(folder))?;
        }
        Ok(Self { folder, given: hex(given), checks: hash(&[checks]) })
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
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(hash)
}

/// The hash of a file.
pub fn hash_file(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(fs::read(path).on("read", path)?);
    Ok(hex(hash))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Takes in a folder: the names and contents of all files, in order.
fn add(hash: &mut Sha256, folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).on("read", folder)?;
    let mut paths = entries.map(|entry| Ok(entry.on("read", folder)?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            add(hash, &path)?;
        } else {
            hash.update(path.to_string_lossy().as_bytes());
            hash.update(fs::read(&path).on("read", &path)?);
        }
    }
    Ok(())
}
