//! What the cache holds of test hosts, for `harness host clean` to remove: images and what they are made from, booted
//! machines, what was found out about this one, and the copies in which submissions are compiled.
//!
//! Invariant: nothing is removed while its lock is another's.

use super::manifest::Manifest;
use super::{IMPORTED, folder};
use crate::cache;
use crate::error::{Context, Result};
use crate::ui::Ui;
use std::fs;
use std::path::{Path, PathBuf};

/// Something in the cache that belongs to the test host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// Its folder, or file.
    pub path: PathBuf,
    /// What it is, for people.
    pub what: String,
    /// The bytes that it takes.
    pub bytes: u64,
    /// The lock of whoever makes or uses it.
    lock: PathBuf,
}

/// What the cache at `root` holds: images first.
pub fn describe(root: &Path) -> Result<Vec<Cached>> {
    let mut found = Vec::new();
    for path in entries(&folder(root))? {
        // Packages and apt's folder have one lock.
        let lock = if path.ends_with("apt") { path.with_file_name("packages.lock") } else { lock(&path) };
        let what = match Manifest::read(&path) {
            Ok(manifest) => {
                let imported = if path.ends_with(IMPORTED) { ", imported" } else { "" };
                let Manifest { id, release, xen, kernel, .. } = &manifest;
                let state = manifest.damaged(&path).map_or(String::new(), |file| format!(", damaged: {file}"));
                format!("image {id}: Xen {xen}, Linux {kernel}, from Debian {release}{imported}{state}")
            }
            Err(_) if path.ends_with("packages") => "downloaded packages".into(),
            Err(_) if path.ends_with("apt") => "package lists".into(),
            Err(_) if path.is_dir() => "unfinished image".into(),
            Err(_) => continue,
        };
        found.push((path, what, lock));
    }
    // Images before what they were made from.
    found.sort_by_key(|(path, ..)| Manifest::read(path).is_err());
    for path in entries(root)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let what = match path.is_dir() {
            true if name.starts_with("machine-") => "booted test host",
            true if name.starts_with("kvm-") => "whether Xen runs under KVM here",
            false if path.ends_with(crate::app::FACTOR) => "how fast this machine is",
            _ => continue,
        };
        let lock = lock(&path);
        found.push((path, what.to_owned(), lock));
    }
    for path in entries(&root.join(crate::check::COPIES))?.into_iter().filter(|path| path.is_dir()) {
        let lock = lock(&path);
        found.push((path, "copy of the stages, in which submissions were compiled".into(), lock));
    }
    let cached = found.into_iter().map(|(path, what, lock)| Ok(Cached { bytes: bytes(&path)?, path, what, lock }));
    Ok(cached.collect::<Result<Vec<_>>>()?.into_iter().filter(|item| item.bytes > 0).collect())
}

/// The lock of an entry, which its temporary folder shares.
fn lock(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{}.lock", name.trim_end_matches(".making")))
}

/// Removes all that [`describe`] lists and returns it. Waits for whoever is building.
pub fn clean(root: &Path, ui: &Ui) -> Result<Vec<Cached>> {
    let found = describe(root)?;
    for Cached { path, lock, .. } in &found {
        let waiting = |who: &str| ui.note(&format!("Waiting for {who}, which uses {}", path.display()));
        let _lock = cache::Lock::wait(lock, waiting)?;
        if path.is_dir() {
            cache::remove(path)?;
        } else {
            fs::remove_file(path).on("remove", path)?;
        }
    }
    Ok(found)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let items = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        items => items.on("read", dir)?,
    };
    let mut paths = Vec::new();
    for item in items {
        paths.push(item.on("read", dir)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn bytes(path: &Path) -> Result<u64> {
    let data = fs::symlink_metadata(path).on("look at", path)?;
    if !data.is_dir() {
        return Ok(data.len());
    }
    entries(path)?.iter().map(|path| bytes(path)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_belongs_to_a_test_host_goes_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let kept = ["verdicts/a.json", "tools/mdbook-1/bin/mdbook", "grading/0.lock"];
        let goes = ["machine-normal-1/state", "machine-large-2.making/state", "kvm-1/verdict", "machine-factor"];
        let host = ["host/packages/a.deb", "host/apt/state/lists/x", "host/bookworm-1.making/xen", "grading/0/x"];
        for file in kept.iter().chain(&goes).chain(&host) {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        let removed = clean(root.path(), &Ui::silent()).unwrap();
        assert_eq!((removed.len(), removed.iter().map(|item| item.bytes).sum::<u64>()), (8, 40), "{removed:?}");
        assert!(kept.iter().all(|file| root.path().join(file).is_file()));
        assert!(goes.iter().chain(&host).all(|file| !root.path().join(file).exists()));
        assert_eq!(describe(root.path()).unwrap(), []);
    }
}
