//! What the cache holds of test hosts, for `harness host` to list and to remove.
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
    /// Its folder.
    pub path: PathBuf,
    /// What it is, for people.
    pub what: String,
    /// The bytes that it takes.
    pub bytes: u64,
}

/// What the cache at `root` holds of test hosts: images, then packages.
pub fn describe(root: &Path) -> Result<Vec<Cached>> {
    let (mut images, mut rest) = (Vec::new(), Vec::new());
    for path in entries(&folder(root))? {
        let bytes = bytes(&path)?;
        match Manifest::read(&path) {
            Ok(manifest) => {
                let imported = if path.ends_with(IMPORTED) { ", imported" } else { "" };
                let Manifest { id, release, xen, kernel, .. } = &manifest;
                let state = manifest.damaged(&path).map_or(String::new(), |file| format!(", damaged: {file}"));
                let what = format!("image {id}: Xen {xen}, Linux {kernel}, from Debian {release}{imported}{state}");
                images.push(Cached { path, what, bytes });
            }
            Err(_) if path.ends_with("packages") => {
                rest.push(Cached { path, what: "downloaded packages".into(), bytes });
            }
            Err(_) if path.ends_with("apt") => rest.push(Cached { path, what: "package lists".into(), bytes }),
            Err(_) if path.is_dir() => rest.push(Cached { path, what: "unfinished image".into(), bytes }),
            Err(_) => {}
        }
    }
    images.append(&mut rest);
    images.retain(|item| item.bytes > 0);
    Ok(images)
}

/// Removes all that [`describe`] lists and returns the bytes freed. Waits for whoever is building.
pub fn clean(root: &Path, ui: &Ui) -> Result<u64> {
    let freed = describe(root)?.iter().map(|item| item.bytes).sum();
    let dir = folder(root);
    let waiting = || ui.note("Waiting for another harness that is building the test host");
    for path in entries(&dir)? {
        if path.is_dir() {
            // Packages and apt's folder have one lock; an image has its own, which its temporary folder shares.
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let lock = if name == "apt" { "packages" } else { name.trim_end_matches(".making") };
            let _lock = cache::Lock::wait(&dir.join(format!("{lock}.lock")), waiting)?;
            cache::remove(&path)?;
        }
    }
    Ok(freed)
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
