//! A private copy of the stages, in which somebody else's exercises are compiled.
//!
//! It holds this checkout's given files, the exercise files that were laid into it, those references that a build
//! asks for, and the registry's crates that the stages need: all that a build without a network takes, and nothing
//! more, so that nothing more can be read by what is compiled there.
//!
//! Invariant: one process at a time has a copy; copies stay in the cache, so that only what changes is compiled.

use crate::app::App;
use crate::cache::Lock;
use crate::course::Stage;
use crate::error::{Context, Error, Result};
use crate::guest;
use crate::process;
use crate::sandbox::{Limits, Sandbox};
use crate::toolchain;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The cache's folder of such copies.
pub const COPIES: &str = "grading";
/// Copies that can be in use at once.
const MOST: usize = 64;

/// One such copy.
pub struct Tree {
    root: PathBuf,
    checkout: PathBuf,
    sandbox: Sandbox,
    _lock: Lock,
}

impl Tree {
    /// Takes a copy that nobody has, and brings it up to date with the checkout.
    pub fn open(app: &App, scale: f64) -> Result<Self> {
        let folder = app.cache.join(COPIES);
        fs::create_dir_all(&folder).on("make", &folder)?;
        let free = |number: usize| {
            let lock = Lock::try_take(&folder.join(format!("{number}.lock")));
            lock.map(|lock| lock.map(|lock| (number, lock))).transpose()
        };
        let busy = || Error::missing(format!("{MOST} gradings run already")).next("wait until one has ended");
        let (number, lock) = (0..MOST).find_map(free).transpose()?.ok_or_else(busy)?;
        let base = folder.join(number.to_string());
        let (root, target) = (base.join("course"), base.join("target"));
        for path in [&root, &target, &target.join("home")] {
            fs::create_dir_all(path).on("make", path)?;
        }
        let toolchain = Sandbox::find_toolchain(&app.course.root)?;
        let sandbox = Sandbox { toolchain, readable: root.clone(), writable: target, limits: Limits::scaled(scale) };
        let tree = Self { root, checkout: app.course.root.clone(), sandbox, _lock: lock };
        sync(&tree.checkout.join("stages"), &tree.root.join("stages"))?;
        let manifest = manifest(&tree.checkout)?;
        replace(&tree.root.join("Cargo.toml"), manifest.as_bytes())?;
        tree.vendor(app, &manifest)?;
        if let Some(lack) = tree.sandbox.lacks() {
            app.ui.note(lack);
        }
        Ok(tree)
    }

    /// Where the copy is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Lays exercises and references into the copy. An exercise that is not given keeps the checkout's file.
    pub fn lay(&self, stage: &Stage, given: &[(&str, &str)], references: &BTreeSet<String>) -> Result<()> {
        let solutions = Path::new("solutions").join(&stage.package);
        for exercise in &stage.lab.exercises {
            let path = stage.exercise_path(exercise);
            match given.iter().find(|(id, _)| *id == exercise.id) {
                Some((_, text)) => replace(&self.root.join(&path), text.as_bytes())?,
                None => sync(&self.checkout.join(&path), &self.root.join(&path))?,
            }
            let reference = solutions.join(&exercise.file);
            if references.contains(&exercise.id) {
                sync(&self.checkout.join(&reference), &self.root.join(&reference))?;
            } else {
                remove(&self.root.join(&reference))?;
            }
        }
        Ok(())
    }

    /// Lays the references of those stages below that are named into the copy. Of the others it has the checkout's work.
    pub fn lay_below<'a>(&self, below: impl Iterator<Item = &'a Stage>, named: &BTreeSet<String>) -> Result<()> {
        for stage in below {
            let all = stage.lab.exercises.iter().map(|exercise| exercise.id.clone());
            let references = if named.contains(&stage.name) { all.collect() } else { BTreeSet::new() };
            self.lay(stage, &[], &references)?;
        }
        Ok(())
    }

    /// Puts a file in the place of one of the checkout's.
    pub fn put(&self, path: &Path, text: &str) -> Result<()> {
        replace(&self.root.join(path), text.as_bytes())
    }

    /// What builds a stage in the copy, with limits.
    pub fn request(&self, stage: &Stage, features: Vec<String>) -> guest::Request {
        let mut request = guest::Request::new(&self.root, &stage.package).features(features);
        request.target_dir = Some(self.sandbox.writable.join("guest"));
        request.deadline = self.sandbox.limits.cpu * 10;
        request.sandbox = Some(self.sandbox.clone());
        request
    }

    /// Puts the registry's crates beside the sources. They come from cargo's own store, or once from the network.
    fn vendor(&self, app: &App, manifest: &str) -> Result<()> {
        let lock = self.checkout.join("Cargo.lock");
        let locked = fs::read(&lock).on("read", &lock)?;
        let mut key = crc32fast::Hasher::new();
        key.update(manifest.as_bytes());
        key.update(&locked);
        for entry in fs::read_dir(self.root.join("stages")).on("read", &self.root)? {
            let path = entry.doing("read the stages")?.path().join("Cargo.toml");
            key.update(&fs::read(&path).on("read", &path)?);
        }
        let key = format!("{:08x}", key.finalize());
        let mark = self.root.join("vendored.key");
        if fs::read_to_string(&mark).is_ok_and(|made| made == key) {
            return Ok(());
        }
        let _step = app.ui.step("Putting the crates that the stages use beside them");
        replace(&self.root.join("Cargo.lock"), &locked)?;
        let vendor = |flags: &[&str]| {
            let mut cargo = toolchain::cargo(&self.checkout);
            cargo.args(["vendor", "--manifest-path"]).arg(self.root.join("Cargo.toml"));
            cargo.args(flags).arg(self.root.join("vendor"));
            process::run(cargo, Duration::from_secs(600))
        };
        let mut done = vendor(&["--offline"])?;
        if !done.success() {
            done = vendor(&[])?;
        }
        if !done.success() {
            let text = format!("the crates that the stages use are not here: {}", crate::tail(&done.stderr, 5));
            return Err(Error::missing(text).next("connect to the network once"));
        }
        let settings = toml::Table::from_iter([("source".to_owned(), self.source().into())]);
        replace(&self.root.join("vendored.toml"), settings.to_string().as_bytes())?;
        replace(&mark, key.as_bytes())
    }

    /// Cargo's setting that takes the crates from there.
    fn source(&self) -> toml::Table {
        let pair = |key: &str, value: &str| toml::Table::from_iter([(key.to_owned(), value.into())]);
        let vendor = self.root.join("vendor").to_string_lossy().into_owned();
        toml::Table::from_iter([
            ("crates-io".to_owned(), pair("replace-with", "vendored").into()),
            ("vendored".to_owned(), pair("directory", &vendor).into()),
        ])
    }
}

/// The checkout's workspace without anything but the stages.
fn manifest(checkout: &Path) -> Result<String> {
    let path = checkout.join("Cargo.toml");
    let text = fs::read_to_string(&path).on("read", &path)?;
    let mut manifest: toml::Table =
        toml::from_str(&text).map_err(|error| Error::fault(format!("{}: {error}", path.display())))?;
    if let Some(workspace) = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut) {
        workspace.insert("members".to_owned(), vec!["stages/*"].into());
        workspace.remove("default-members");
        workspace.remove("dependencies");
    }
    // Settings for libraries of the harness would be warned of.
    if let Some(profiles) = manifest.get_mut("profile").and_then(toml::Value::as_table_mut) {
        profiles.retain(|name, _| name.starts_with("guest"));
    }
    Ok(manifest.to_string())
}

/// Makes `to` a copy of `from`. What is the same already is left alone, so that cargo sees no change.
fn sync(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return replace(to, &fs::read(from).on("read", from)?);
    }
    fs::create_dir_all(to).on("make", to)?;
    let names = |folder: &Path| -> Result<BTreeSet<std::ffi::OsString>> {
        let entries = fs::read_dir(folder).on("read", folder)?;
        entries.map(|entry| Ok(entry.on("read", folder)?.file_name())).collect()
    };
    let wanted = names(from)?;
    for surplus in names(to)?.difference(&wanted) {
        remove(&to.join(surplus))?;
    }
    wanted.iter().filter(|name| *name != "target").try_for_each(|name| sync(&from.join(name), &to.join(name)))
}

fn replace(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).on("make", folder)?;
    }
    fs::write(path, content).on("write", path)
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).on("remove", path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_follows_its_original_and_leaves_the_unchanged_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("a")).unwrap();
        fs::write(from.join("a/x"), "1").unwrap();
        fs::write(from.join("y"), "2").unwrap();
        sync(&from, &to).unwrap();
        let written = fs::metadata(to.join("y")).unwrap().modified().unwrap();
        fs::remove_dir_all(from.join("a")).unwrap();
        fs::write(from.join("z"), "3").unwrap();
        sync(&from, &to).unwrap();
        assert!(!to.join("a").exists() && fs::read_to_string(to.join("z")).unwrap() == "3");
        assert_eq!(fs::metadata(to.join("y")).unwrap().modified().unwrap(), written);
    }

    #[test]
    fn the_workspace_is_reduced_to_the_stages() {
        let text = manifest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(manifest["workspace"]["members"], vec!["stages/*"].into());
        assert!(manifest["workspace"]["lints"]["clippy"].is_table());
        assert_eq!(manifest["profile"].as_table().unwrap().keys().collect::<Vec<_>>(), ["guest", "guest-checks"]);
    }
}
