//! The Xen test host's image: built from Debian's packages, cached, carried between machines.
//!
//! An image is a folder of six files and a manifest: Xen, dom0's kernel and initramfs (with the toolstack and our
//! agent), and a Linux PV guest's kernel and initramfs, and a server for it. `images/dom0` says what is in it.
//!
//! Invariant: [`ensure`] returns only images whose files have just been verified, made from what the repository
//! says now.

mod agent;
mod apt;
mod content;
mod deb;
pub mod initramfs;
mod inventory;
mod libraries;
mod lock;
mod manifest;
mod modules;
mod packages;
mod recipe;
mod transport;

pub use inventory::{Cached, clean, describe};

use crate::cache;
use crate::error::{Context, Error, Result};
use crate::ui::Ui;
use manifest::Manifest;
use recipe::Recipe;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

/// What [`ensure`] is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The repository's root.
    pub repo: PathBuf,
    /// Refuse packages other than the locked ones.
    pub locked: bool,
}

/// A test host's image in the cache.
#[derive(Clone, Debug)]
pub struct HostImage {
    /// Its folder.
    pub dir: PathBuf,
    /// A hash of its files.
    pub id: String,
    /// The Debian release that it was made from.
    pub release: String,
    /// Xen's version, such as `4.17`.
    pub xen_version: String,
    /// The packages that differ from the lock file, such as `xen-utils-4.17 4.17.5 -> 4.17.7`.
    pub replaced: Vec<String>,
}

impl HostImage {
    fn new(dir: PathBuf, manifest: Manifest) -> Self {
        let Manifest { id, release, xen, replaced, .. } = manifest;
        Self { dir, id, release, xen_version: xen, replaced }
    }

    /// The hypervisor.
    pub fn xen(&self) -> PathBuf {
        self.dir.join(content::XEN)
    }

    /// dom0's kernel.
    pub fn vmlinuz(&self) -> PathBuf {
        self.dir.join(content::KERNEL)
    }

    /// dom0's initramfs.
    pub fn initramfs(&self) -> PathBuf {
        self.dir.join(content::INITRAMFS)
    }

    /// The Linux PV guest's kernel.
    pub fn linux_guest_kernel(&self) -> PathBuf {
        self.dir.join(content::GUEST_KERNEL)
    }

    /// The Linux PV guest's initramfs.
    pub fn linux_guest_initramfs(&self) -> PathBuf {
        self.dir.join(content::GUEST_INITRAMFS)
    }

    /// What goes behind that where the guest is to serve pages: nginx.
    pub fn linux_guest_server(&self) -> PathBuf {
        self.dir.join(content::GUEST_SERVER)
    }
}

/// The cache's folder of images, packages and apt's state.
fn folder(root: &Path) -> PathBuf {
    root.join("host")
}

/// The image that [`import`] took over.
const IMPORTED: &str = "imported";

/// Finds the image in the cache at `root`, or builds it there.
///
/// An imported image comes first, so a machine without a network, without apt or of another release uses it.
pub fn ensure(root: &Path, options: &Options, ui: &Ui) -> Result<HostImage> {
    let recipe = Recipe::read(&options.repo)?;
    let image = match imported(root, &recipe, options, ui)? {
        Some(image) => image,
        None => built(root, &recipe, options, ui)?,
    };
    if options.locked && !image.replaced.is_empty() {
        return Err(Error::missing(format!(
            "The test host in the cache has other packages than the lock file ({}), and --locked refuses them",
            image.replaced.join(", ")
        ))
        .next("go without --locked, or import a test host made from the locked packages"));
    }
    Ok(image)
}

/// Whether [`ensure`] has nothing to build, as far as can be told at once: nobody has looked yet whether the image is whole.
pub fn is_built(root: &Path, options: &Options) -> bool {
    let Ok(recipe) = Recipe::read(&options.repo) else { return false };
    let source = |release: &str| recipe.source(&options.repo, release).ok();
    let own = release().ok().and_then(|release| Some(format!("{release}-{}", source(&release)?)));
    [Some(IMPORTED.to_owned()), own].into_iter().flatten().any(|name| {
        let manifest = Manifest::read(&folder(root).join(name));
        manifest.is_ok_and(|manifest| source(&manifest.release) == Some(manifest.source))
    })
}

/// The imported image, if there is one for what the repository says now.
fn imported(root: &Path, recipe: &Recipe, options: &Options, ui: &Ui) -> Result<Option<HostImage>> {
    let dir = folder(root).join(IMPORTED);
    let Ok(manifest) = Manifest::read(&dir) else { return Ok(None) };
    if recipe.source(&options.repo, &manifest.release)? != manifest.source {
        return Ok(None);
    }
    if let Some(file) = manifest.damaged(&dir) {
        ui.note(&format!("The imported test host is damaged ({file}): not using it"));
        return Ok(None);
    }
    Ok(Some(HostImage::new(dir, manifest)))
}

/// The image made from this machine's release.
fn built(root: &Path, recipe: &Recipe, options: &Options, ui: &Ui) -> Result<HostImage> {
    let release = release()?;
    let source = recipe.source(&options.repo, &release)?;
    let name = format!("{release}-{source}");
    let damage_told = Cell::new(false);
    let valid = |dir: &Path| {
        let damaged = match Manifest::read(dir) {
            Ok(manifest) => manifest.damaged(dir),
            Err(_) => Some(manifest::NAME.to_owned()),
        };
        if let Some(file) = &damaged
            && !damage_told.replace(true)
        {
            ui.note(&format!("The test host in the cache is damaged ({file}): building it again"));
        }
        damaged.is_none()
    };
    let waiting = |who: &str| ui.note(&format!("Waiting for {who}, which builds the test host"));
    let dir = cache::entry(&folder(root), &name, valid, waiting, |dir| {
        build(root, recipe, &release, &source, options, dir, ui)
    })
    .map_err(|error| explain_import(error, root))?;
    let manifest = Manifest::read(&dir)?;
    Ok(HostImage::new(dir, manifest))
}

/// When building fails although an image was imported, the reason is that it is another version's.
fn explain_import(mut error: Error, root: &Path) -> Error {
    if folder(root).join(IMPORTED).is_dir() {
        error.message.push_str("; the imported test host belongs to another version of the course, or is damaged");
    }
    error
}

fn build(
    root: &Path,
    recipe: &Recipe,
    release: &str,
    source: &str,
    options: &Options,
    dir: &Path,
    ui: &Ui,
) -> Result<()> {
    ui.note(&format!("Building the Xen test host from the packages of Debian {release}, once"));
    let locked = lock::read(&recipe::lock_file(&options.repo, release))?;
    let set = {
        let _lock = packages_lock(root, ui)?;
        packages::Source { recipe, release, dir: &folder(root), ui }.fetch(&locked, options.locked)?
    };
    if locked.is_empty() {
        ui.note(&format!("There is no lock file for Debian {release}: using the packages that its archive has now"));
    } else if !set.replaced.is_empty() {
        ui.note(&packages::notice(&set.replaced));
    }
    let agent = agent::build(&options.repo, ui)?;
    content::write(&options.repo, recipe, &set, &agent, dir, ui)?;
    let described = Manifest::describe(dir, source, release, &set.names, &set.packages)?;
    Manifest { replaced: set.replaced, ..described }.write(dir)
}

/// apt's folder and the downloaded packages serve one at a time.
fn packages_lock(root: &Path, ui: &Ui) -> Result<cache::Lock> {
    let dir = folder(root);
    fs::create_dir_all(&dir).on("make the cache folder", &dir)?;
    cache::Lock::wait(&dir.join("packages.lock"), |who| {
        ui.note(&format!("Waiting for {who}, which downloads packages"))
    })
}

/// Writes the image, built first if need be, to `file` for machines without a network.
pub fn export(root: &Path, options: &Options, file: &Path, ui: &Ui) -> Result<HostImage> {
    let image = ensure(root, options, ui)?;
    let _step = ui.step(&format!("Writing {}", file.display()));
    transport::write(&image.dir, file)?;
    Ok(image)
}

/// Takes over an image that [`export`] wrote.
pub fn import(root: &Path, options: &Options, file: &Path, ui: &Ui) -> Result<HostImage> {
    let recipe = Recipe::read(&options.repo)?;
    let _step = ui.step(&format!("Reading {}", file.display()));
    let waiting = |who: &str| ui.note(&format!("Waiting for {who}, which imports a test host"));
    let dir = cache::entry(
        &folder(root),
        IMPORTED,
        |_| false,
        waiting,
        |dir| transport::read(file, dir, |release| recipe.source(&options.repo, release)).map(drop),
    )?;
    let manifest = Manifest::read(&dir)?;
    Ok(HostImage::new(dir, manifest))
}

/// Writes a fresh lock file of what the archive has now for this machine's release. Returns its path and where it
/// differs from the old one.
pub fn refresh_lock(root: &Path, options: &Options, ui: &Ui) -> Result<(PathBuf, Vec<String>)> {
    let recipe = Recipe::read(&options.repo)?;
    let release = release()?;
    let path = recipe::lock_file(&options.repo, &release);
    let old = lock::read(&path)?;
    let _lock = packages_lock(root, ui)?;
    let new = packages::Source { recipe: &recipe, release: &release, dir: &folder(root), ui }.current()?;
    lock::write(&path, &release, &new)?;
    Ok((path, lock::differences(&old, &new)))
}

/// The machine's Debian release by codename.
fn release() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    codename(&text).ok_or_else(|| {
        Error::missing(
            "the test host is built from Debian's packages, and this machine does not say which Debian it runs",
        )
        .next("take over a test host made on Debian 12 or 13 with `cargo harness host import FILE`")
    })
}

fn codename(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    let value = value.trim_matches('"');
    // It becomes part of paths.
    (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { repo: Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), locked: false }
    }

    /// An exported image that fits the repository as it is.
    fn exported(dir: &Path) -> PathBuf {
        let options = options();
        let source = Recipe::read(&options.repo).unwrap().source(&options.repo, "bookworm").unwrap();
        manifest::sample(&dir.join("image"), &source, "bookworm");
        let file = dir.join("host.tar.gz");
        transport::write(&dir.join("image"), &file).unwrap();
        file
    }

    #[test]
    fn an_imported_image_is_found_and_cleaned() {
        let dir = tempfile::tempdir().unwrap();
        let (root, ui) = (dir.path().join("cache"), Ui::silent());
        fs::create_dir_all(root.join("host/packages")).unwrap();
        fs::write(root.join("host/packages/xen.deb"), "a download that was interrupted").unwrap();
        assert!(!is_built(&root, &options()));
        let imported = import(&root, &options(), &exported(dir.path()), &ui).unwrap();
        assert!(is_built(&root, &options()));
        let found = ensure(&root, &options(), &ui).unwrap();
        assert_eq!((&found.id, &found.dir), (&imported.id, &imported.dir));
        assert!(imported.linux_guest_initramfs().is_file());
        let listed = describe(&root).unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed[0].what.contains("imported") && listed[0].bytes > 0, "{listed:?}");
        assert_eq!(clean(&root, &ui).unwrap(), listed);
        assert_eq!(describe(&root).unwrap(), []);
    }

    #[test]
    fn a_failed_import_leaves_the_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let (root, ui) = (dir.path().join("cache"), Ui::silent());
        let file = exported(dir.path());
        import(&root, &options(), &file, &ui).unwrap();
        fs::write(&file, "no image").unwrap();
        assert!(import(&root, &options(), &file, &ui).is_err());
        ensure(&root, &options(), &ui).unwrap();
    }

    #[test]
    fn the_release_is_a_codename() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n").unwrap(), "bookworm");
        assert_eq!(codename("VERSION_CODENAME=\"trixie\"").unwrap(), "trixie");
        assert_eq!(codename("VERSION_CODENAME=../x"), None);
        assert_eq!(codename(""), None);
    }
}
