//! The cache folder: what is expensive to make is made once, whole, and shared by every clone.
//!
//! Invariant: an entry is either complete or absent. It is built in a temporary folder beside its place, under
//! a lock, and renamed into place; whoever dies half-way leaves only a temporary folder, which the next
//! builder removes because nobody holds its lock.

use crate::error::{Context, Error, Result};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The cache's root: `$STARDUST_CACHE`, or `stardust` in the XDG cache folder.
pub fn root() -> Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("STARDUST_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|dir| dir.join("stardust")))
        .or_else(|| named("HOME").map(|dir| dir.join(".cache/stardust")))
        .ok_or_else(|| Error::missing("no cache folder: neither STARDUST_CACHE nor HOME is set"))
}

/// Returns `root/name`, built by `build` into an empty folder first if it is absent or `valid` refuses it.
///
/// One process builds; others wait for it. `waiting` is called once when another process is at it. A cache
/// that cannot be written serves what it holds.
pub fn entry(
    root: &Path,
    name: &str,
    valid: impl Fn(&Path) -> bool,
    waiting: impl FnOnce(),
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let place = root.join(name);
    if place.is_dir() && valid(&place) {
        return Ok(place);
    }
    fs::create_dir_all(root).on("make the cache folder", root)?;
    let _lock = Lock::wait(&root.join(format!("{name}.lock")), waiting)?;
    if place.is_dir() && valid(&place) {
        return Ok(place);
    }
    // The lock is ours, so a temporary folder of this name belongs to somebody who died.
    let making = root.join(format!("{name}.making"));
    remove(&making)?;
    fs::create_dir(&making).on("make", &making)?;
    let _unfinished = crate::interrupt::Unfinished::new(&making);
    let built = build(&making).and_then(|()| {
        remove(&place)?;
        fs::rename(&making, &place).on("put in place", &place)
    });
    if built.is_err() {
        // The failure itself is what matters; what stays behind is removed by the next builder.
        let _ = fs::remove_dir_all(&making);
    }
    built.map(|()| place)
}

/// Removes a folder that may not be there.
pub fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).on("remove", dir),
        _ => Ok(()),
    }
}

/// An advisory lock on a file. The system drops it with the process, however that ends.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting for whoever has it; `waiting` is called once if that is needed.
    pub fn wait(path: &Path, waiting: impl FnOnce()) -> Result<Self> {
        if let Some(lock) = Self::try_take(path)? {
            return Ok(lock);
        }
        waiting();
        let file = File::create(path).on("open", path)?;
        flock(&file, FlockOperation::LockExclusive).doing(format_args!("lock {}", path.display()))?;
        Ok(Self { _file: file })
    }

    /// Takes the lock if nobody has it.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        let file = File::create(path).on("open", path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error).doing(format_args!("lock {}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &'static str) -> impl FnOnce(&Path) -> Result<()> {
        move |dir| fs::write(dir.join("data"), text).on("write", dir)
    }

    #[test]
    fn an_entry_is_built_once_and_rebuilt_when_refused() {
        let root = tempfile::tempdir().unwrap();
        let made = entry(root.path(), "a", |_| true, || {}, fill("one")).unwrap();
        assert_eq!(fs::read_to_string(made.join("data")).unwrap(), "one");
        entry(root.path(), "a", |_| true, || {}, |_| panic!("built twice")).unwrap();
        let again = entry(root.path(), "a", |_| false, || {}, fill("two")).unwrap();
        assert_eq!(fs::read_to_string(again.join("data")).unwrap(), "two");
    }

    #[test]
    fn a_failed_or_killed_build_leaves_nothing_half_made() {
        let root = tempfile::tempdir().unwrap();
        let failed = entry(
            root.path(),
            "a",
            |_| true,
            || {},
            |dir| {
                fs::write(dir.join("data"), "half").on("write", dir)?;
                Err(Error::fault("no"))
            },
        );
        assert!(failed.is_err());
        assert!(!root.path().join("a").exists() && !root.path().join("a.making").exists());
        // As a killed builder leaves it.
        fs::create_dir(root.path().join("a.making")).unwrap();
        fs::write(root.path().join("a.making/stale"), "half").unwrap();
        let made = entry(root.path(), "a", |_| true, || {}, fill("whole")).unwrap();
        assert!(!made.join("stale").exists());
    }

    #[test]
    fn two_builders_take_turns() {
        let root = tempfile::tempdir().unwrap();
        let built = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    entry(
                        root.path(),
                        "a",
                        |_| true,
                        || {},
                        |dir| {
                            built.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            std::thread::sleep(std::time::Duration::from_millis(30));
                            fs::write(dir.join("data"), "x").on("write", dir)
                        },
                    )
                    .unwrap();
                });
            }
        });
        assert_eq!(built.into_inner(), 1);
    }
}
