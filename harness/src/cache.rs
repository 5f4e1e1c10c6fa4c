//! The cache folder: what is expensive to make is made once, whole, and shared by every clone.
//!
//! Invariant: an entry is either complete or absent. It is built in a temporary folder beside its place, under
//! a lock, and renamed into place; whoever dies half-way leaves only a temporary folder, which the next
//! builder removes because nobody holds its lock.

use crate::error::{Context, Error, Result};
use crate::interrupt::Unfinished;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
/// One process builds; others wait for it. `waiting` is told who is at it, if another process is. A cache
/// that cannot be written serves what it holds.
pub fn entry(
    root: &Path,
    name: &str,
    valid: impl Fn(&Path) -> bool,
    waiting: impl FnOnce(&str),
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
    let empty = || fs::create_dir(&making).map(|()| &making);
    let (_unfinished, _) = Unfinished::make(empty).on("make", &making)?;
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

/// An exclusive lock on a file, held until dropped or until the process ends, however it does. The file says which process
/// has it.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting for whoever has it: `waiting` is told who that is, once.
    ///
    /// # Errors
    /// If it can't be had for an hour, with who has it.
    pub fn wait(path: &Path, waiting: impl FnOnce(&str)) -> Result<Self> {
        Self::wait_within(path, LONGEST_WAIT, waiting)
    }

    fn wait_within(path: &Path, limit: Duration, waiting: impl FnOnce(&str)) -> Result<Self> {
        let (start, mut waiting) = (Instant::now(), Some(waiting));
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            if let Some(waiting) = waiting.take() {
                waiting(&holder(path));
            }
            if start.elapsed() > limit {
                let minutes = limit.as_secs() / 60;
                let text = format!("{} has been in use for {minutes} minutes, by {}", path.display(), holder(path));
                return Err(Error::missing(text).next("wait until that ends, or end it, and try again"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Takes the lock if nobody has it.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        // What another has written there stays.
        let opened = File::options().write(true).create(true).truncate(false).open(path);
        let mut file = opened.on("open", path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // Only for others to read; a full disk is no reason not to go on.
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                Ok(Some(Self { _file: file }))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error).doing(format_args!("lock {}", path.display())),
        }
    }
}

/// How long to wait for another process. The longest work that one does under a lock is to compile mdBook.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Who has a lock, as far as can be told.
fn holder(path: &Path) -> String {
    let Ok(pid) = fs::read_to_string(path).unwrap_or_default().parse::<u32>() else { return "another harness".into() };
    if pid == std::process::id() {
        return "another part of this command".into();
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let program = words[0].rsplit('/').next().unwrap_or_default();
    let command = format!("{program} {}", words[1..].join(" "));
    match command.trim() {
        // In another container, or on another machine that shares the folder.
        "" => format!("process {pid}"),
        command => format!("process {pid} ({command})"),
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
        let made = entry(root.path(), "a", |_| true, |_| {}, fill("one")).unwrap();
        assert_eq!(fs::read_to_string(made.join("data")).unwrap(), "one");
        entry(root.path(), "a", |_| true, |_| {}, |_| panic!("built twice")).unwrap();
        let again = entry(root.path(), "a", |_| false, |_| {}, fill("two")).unwrap();
        assert_eq!(fs::read_to_string(again.join("data")).unwrap(), "two");
    }

    #[test]
    fn a_failed_or_killed_build_leaves_nothing_half_made() {
        let root = tempfile::tempdir().unwrap();
        let failed = entry(
            root.path(),
            "a",
            |_| true,
            |_| {},
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
        let made = entry(root.path(), "a", |_| true, |_| {}, fill("whole")).unwrap();
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
                        |_| {},
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

    #[test]
    fn who_has_a_lock_is_told_and_waited_for_no_longer_than_the_limit() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        let held = Lock::try_take(&path).unwrap().unwrap();
        let mut told = String::new();
        let late = Lock::wait_within(&path, Duration::from_millis(50), |who| told = who.to_owned()).err().unwrap();
        assert_eq!(told, "another part of this command");
        assert!(late.message.contains("has been in use for 0 minutes, by another part of this command"), "{late}");
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        drop(held);
        Lock::wait(&path, |_| panic!("nobody has it")).unwrap();
        // Another process, and one that can't be seen.
        let mut sleep = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        fs::write(&path, sleep.id().to_string()).unwrap();
        assert_eq!(holder(&path), format!("process {} (sleep 60)", sleep.id()));
        sleep.kill().and_then(|()| sleep.wait()).unwrap();
        assert_eq!(holder(&path), format!("process {}", sleep.id()));
        fs::write(&path, "").unwrap();
        assert_eq!(holder(&path), "another harness");
    }
}
