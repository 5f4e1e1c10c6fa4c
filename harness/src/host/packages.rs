//! Which packages the test host is made of, and their files: the locked set where it can be had, else what the
//! archive has now.
//!
//! Invariant: every file that leaves here has the SHA-256 of its package's entry. A set is never mixed from locked
//! and newer packages.

use super::apt::{Apt, Described};
use super::lock::{self, Package};
use super::recipe::{self, Names, Recipe};
use crate::cache;
use crate::error::{Context, Error, Result};
use crate::ui::Ui;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A resolved set: the packages with their files, and where they depart from the lock file.
pub struct Set {
    /// Xen's and the kernel's version.
    pub names: Names,
    /// Sorted by name.
    pub packages: Vec<Package>,
    /// As [`lock::differences`] puts it.
    pub replaced: Vec<String>,
    store: PathBuf,
}

impl Set {
    /// The `.deb` file of `package`.
    pub fn file(&self, package: &Package) -> PathBuf {
        store_file(&self.store, package)
    }
}

/// An archive of packages, as apt shows it.
pub trait Archive {
    /// The names of all packages that begin with `prefix`.
    fn names(&self, prefix: &str) -> Result<Vec<String>>;
    /// What would be installed for each name, or with `every` all versions. Unknown names are left out.
    fn show(&self, names: &[String], every: bool) -> Result<Vec<Described>>;
    /// Downloads `packages` into the empty folder `into`.
    fn download(&self, packages: &[Package], into: &Path, ui: &Ui) -> Result<()>;
    /// Ends with it.
    fn close(self) -> Result<()>;
}

/// Where packages come from and go to.
pub struct Source<'a> {
    /// The recipe to fill.
    pub recipe: &'a Recipe,
    /// The machine's Debian release.
    pub release: &'a str,
    /// The folder for apt's state and the downloaded packages.
    pub dir: &'a Path,
    /// Progress.
    pub ui: &'a Ui,
}

impl Source<'_> {
    /// The packages of `locked`, or those that the archive has now if some of them are gone; `refuse` makes that an
    /// error. Downloads what the store lacks.
    pub fn fetch(&self, locked: &[Package], refuse: bool) -> Result<Set> {
        self.fetch_from(locked, refuse, || Apt::open(&self.dir.join("apt"), self.release, self.ui))
    }

    fn fetch_from<A: Archive>(
        &self,
        locked: &[Package],
        refuse: bool,
        open: impl FnOnce() -> Result<A>,
    ) -> Result<Set> {
        if refuse && locked.is_empty() {
            return Err(Error::missing(format!(
                "there is no lock file for Debian {}, and --locked allows no other packages",
                self.release
            ))
            .next("go without --locked, or make one with `cargo harness host lock`"));
        }
        let store = self.store()?;
        let usable = self.locked_names(locked);
        if let Some(names) = &usable
            && locked.iter().all(|package| stored(&store, package))
        {
            return Ok(Set { names: names.clone(), packages: locked.to_vec(), replaced: Vec::new(), store });
        }
        let apt = open()?;
        let (names, packages) = match usable {
            Some(names) if still_there(&apt, locked)? => (names, locked.to_vec()),
            _ => self.resolve(&apt)?,
        };
        let replaced = match locked {
            [] => vec![format!("all packages, as there is no lock file for Debian {}", self.release)],
            _ => lock::differences(locked, &packages),
        };
        if refuse && !replaced.is_empty() {
            return Err(Error::missing(format!(
                "the archive no longer has the locked packages ({}), and --locked allows no others",
                summary(&replaced)
            ))
            .next(
                "go without --locked, import a test host made from the locked packages, or refresh the lock with \
                 `cargo harness host lock`",
            ));
        }
        self.download(&apt, &store, &packages)?;
        apt.close()?;
        Ok(Set { names, packages, replaced, store })
    }

    /// What the archive has now, for a fresh lock file. Downloads nothing.
    pub fn current(&self) -> Result<Vec<Package>> {
        let apt = Apt::open(&self.dir.join("apt"), self.release, self.ui)?;
        let (_, packages) = self.resolve(&apt)?;
        apt.close()?;
        Ok(packages)
    }

    fn store(&self) -> Result<PathBuf> {
        let store = self.dir.join("packages");
        fs::create_dir_all(&store).on("make", &store)?;
        Ok(store)
    }

    /// The versions in a lock file's package names, if it holds all that the recipe names.
    fn locked_names(&self, locked: &[Package]) -> Option<Names> {
        let names = Names::among(self.recipe, locked.iter().map(|package| package.name.as_str()))?;
        let all = names.roots(self.recipe).iter().all(|root| locked.iter().any(|package| package.name == *root));
        all.then_some(names)
    }

    /// The recipe's packages and the libraries that they depend on, as apt would install them.
    fn resolve(&self, apt: &impl Archive) -> Result<(Names, Vec<Package>)> {
        let _step = self.ui.step("Choosing the packages of Xen and Linux");
        let names = self.names(apt)?;
        let roots = names.roots(self.recipe);
        let found = apt.show(&roots, false)?;
        if let Some(missing) = roots.iter().find(|name| !found.iter().any(|item| item.package.name == **name)) {
            return Err(self.no_package(missing));
        }
        // The kernel depends on what installs it, none of which has a part here.
        let kernel = names.expand(&self.recipe.packages.kernel_image);
        let (mut seen, mut packages) = (BTreeSet::from_iter(roots), Vec::new());
        let mut next: Vec<_> = found.iter().filter(|item| item.package.name != kernel).cloned().collect();
        packages.extend(found.into_iter().map(|item| item.package));
        while !next.is_empty() {
            let wanted: Vec<_> = next.iter().flat_map(|item| &item.depends).cloned().collect();
            let wanted: Vec<_> = wanted.into_iter().filter(|name| seen.insert(name.clone())).collect();
            next = if wanted.is_empty() { Vec::new() } else { apt.show(&wanted, false)? };
            // Interpreters and services, which Xen's packages also depend on, have no part in the image.
            next.retain(|item| item.library);
            packages.extend(next.iter().map(|item| item.package.clone()));
        }
        packages.sort();
        packages.dedup_by(|a, b| a.name == b.name);
        Ok((names, packages))
    }

    fn names(&self, apt: &impl Archive) -> Result<Names> {
        let wanted = &self.recipe.packages;
        let prefix = wanted.hypervisor.split('{').next().unwrap_or_default();
        let hypervisors: Vec<_> = apt
            .names(prefix)?
            .into_iter()
            .filter(|name| recipe::between(name, &wanted.hypervisor, "{xen}").is_some_and(|v| number(v).is_some()))
            .collect();
        let known = if hypervisors.is_empty() { Vec::new() } else { apt.show(&hypervisors, false)? };
        let xen = known
            .iter()
            .filter_map(|item| recipe::between(&item.package.name, &wanted.hypervisor, "{xen}"))
            .filter(|version| number(version) >= number(&wanted.minimum_xen))
            .max_by_key(|version| number(version))
            .ok_or_else(|| self.no_package(&wanted.hypervisor.replace("{xen}", "VERSION")))?;
        let kernel = apt.show(std::slice::from_ref(&wanted.kernel), false)?;
        let kernel = kernel
            .iter()
            .flat_map(|item| &item.depends)
            .find_map(|name| recipe::between(name, &wanted.kernel_image, "{kernel}"))
            .ok_or_else(|| self.no_package(&wanted.kernel))?;
        Ok(Names { xen: xen.to_owned(), kernel: kernel.to_owned() })
    }

    fn no_package(&self, name: &str) -> Error {
        let minimum = &self.recipe.packages.minimum_xen;
        Error::missing(format!(
            "apt knows no package {name} (Xen {minimum} or later is needed; this machine runs \"{}\")",
            self.release
        ))
        .next(
            "check apt's sources (Debian 12 or 13, component main) and the network, or take over a test host made \
             elsewhere with `cargo harness host import FILE`",
        )
    }

    fn download(&self, apt: &impl Archive, store: &Path, packages: &[Package]) -> Result<()> {
        let missing: Vec<_> = packages.iter().filter(|package| !stored(store, package)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        // What is there belongs to a download that was cut off: the folder is ours alone while we hold the lock.
        let partial = store.join("partial");
        cache::remove(&partial)?;
        fs::create_dir(&partial).on("make", &partial)?;
        apt.download(&missing, &partial, self.ui)?;
        for package in &missing {
            // apt's name for the file is its own affair; the content tells.
            let found = files(&partial)?.into_iter().find(|file| matches(file, package));
            let file = found.ok_or_else(|| {
                Error::fault(format!("apt-get downloaded {} with another content than it announced", package.name))
                    .next("try again")
            })?;
            let place = store_file(store, package);
            fs::rename(&file, &place).on("put in place", &place)?;
        }
        cache::remove(&partial)
    }
}

/// Whether the archive still has every one of `locked`, by content.
fn still_there(apt: &impl Archive, locked: &[Package]) -> Result<bool> {
    let names: Vec<_> = locked.iter().map(|package| package.name.clone()).collect();
    let known: BTreeSet<_> = apt.show(&names, true)?.into_iter().map(|item| item.package.sha256).collect();
    Ok(locked.iter().all(|package| known.contains(&package.sha256)))
}

/// One line on what was replaced.
pub fn notice(replaced: &[String]) -> String {
    let one = |text: &str| -> Option<String> {
        let (package, newer) = text.split_once(" -> ")?;
        let (name, older) = package.split_once(' ')?;
        Some(format!("using {name} {newer} instead of the locked {older}"))
    };
    match replaced {
        [single] => one(single).unwrap_or_else(|| format!("using {single} (differs from the lock file)")),
        several => format!("using {} packages other than the locked ones: {}", several.len(), summary(several)),
    }
}

fn summary(replaced: &[String]) -> String {
    const SHOWN: usize = 3;
    let rest = replaced.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", replaced[..replaced.len() - rest].join(", "))
}

/// `4.17` as numbers, which compare as versions do.
fn number(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

fn store_file(store: &Path, package: &Package) -> PathBuf {
    store.join(format!("{}_{}.deb", package.name, package.version.replace([':', '/'], "%")))
}

fn stored(store: &Path, package: &Package) -> bool {
    matches(&store_file(store, package), package)
}

/// Whether `file` is `package`'s, by size and content.
fn matches(file: &Path, package: &Package) -> bool {
    let right_size = fs::metadata(file).is_ok_and(|data| data.len() == package.size);
    right_size && sha256(file).is_ok_and(|hash| hash == package.sha256)
}

/// The SHA-256 of a file.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).on("open", path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).on("read", path)? {
            0 => return Ok(recipe::hex(&hash.finalize())),
            length => hash.update(&buffer[..length]),
        }
    }
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).on("read", dir)? {
        found.push(item.on("read", dir)?.path());
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
