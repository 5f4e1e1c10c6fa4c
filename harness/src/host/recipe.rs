//! The recipe of the test host (`images/dom0/recipe.toml`) and what it is called in the cache.
//!
//! Invariant: [`Recipe::source`] changes with everything in the repository that decides the image's content, so
//! a cached image with the same source needs neither apt nor cargo to be known as current.

use crate::error::{Context, Error, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Changes when this code makes another image from the same recipe.
const BUILDER: u32 = 1;

/// `recipe.toml`, as written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// Which packages.
    pub packages: Packages,
    /// What the machine boots.
    pub boot: Boot,
    /// dom0's initramfs.
    pub dom0: System,
    /// The Linux PV guest's initramfs.
    pub linux_guest: System,
    /// What goes behind it where the guest is to serve pages.
    pub linux_server: Server,
}

/// The packages that files are taken from; their libraries' packages come by dependence.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Packages {
    /// The lowest Xen version that will do.
    pub minimum_xen: String,
    /// The hypervisor's package, with `{xen}` for its version.
    pub hypervisor: String,
    /// The package that depends on the release's kernel.
    pub kernel: String,
    /// The kernel's package, with `{kernel}` for its version.
    pub kernel_image: String,
    /// All others.
    pub plain: Vec<String>,
}

/// The files that are booted as they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// The hypervisor, gzipped.
    pub xen: String,
    /// The kernel of dom0 and of the Linux guest.
    pub kernel: String,
}

/// The content of one initramfs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Programs from the packages.
    pub programs: Vec<String>,
    /// Libraries that no dynamic section names.
    pub libraries: Vec<String>,
    /// Kernel modules with their parameters, in the order of loading.
    pub modules: Vec<String>,
    /// Files of this folder, and where each is put.
    pub scripts: BTreeMap<String, String>,
}

/// Programs for the Linux guest that are only sometimes needed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// From the packages.
    pub programs: Vec<String>,
}

/// The versions that a release's packages carry in their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Such as `4.17`.
    pub xen: String,
    /// Such as `6.1.0-56-amd64`.
    pub kernel: String,
}

impl Names {
    /// `pattern` with the versions put in.
    pub fn expand(&self, pattern: &str) -> String {
        pattern.replace("{xen}", &self.xen).replace("{kernel}", &self.kernel)
    }

    /// The versions among the package names of a set, which is how a lock file is read.
    pub fn among<'a>(recipe: &Recipe, packages: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let find = |pattern: &str, hole: &str| {
            packages.clone().find_map(|package| between(package, pattern, hole)).map(str::to_owned)
        };
        Some(Self {
            xen: find(&recipe.packages.hypervisor, "{xen}")?,
            kernel: find(&recipe.packages.kernel_image, "{kernel}")?,
        })
    }

    /// The packages that the recipe names.
    pub fn roots(&self, recipe: &Recipe) -> Vec<String> {
        let named = [&recipe.packages.hypervisor, &recipe.packages.kernel_image];
        named.into_iter().chain(&recipe.packages.plain).map(|pattern| self.expand(pattern)).collect()
    }
}

/// What stands in `text` where `pattern` has `hole`.
pub fn between<'a>(text: &'a str, pattern: &str, hole: &str) -> Option<&'a str> {
    let (before, after) = pattern.split_once(hole)?;
    text.strip_prefix(before)?.strip_suffix(after).filter(|found| !found.is_empty())
}

/// The folder of the recipe in the repository.
pub fn folder(repo: &Path) -> PathBuf {
    repo.join("images/dom0")
}

/// The lock file of `release`.
pub fn lock_file(repo: &Path, release: &str) -> PathBuf {
    folder(repo).join("lock").join(format!("{release}.lock"))
}

impl Recipe {
    /// Reads the recipe of the repository at `repo`.
    pub fn read(repo: &Path) -> Result<Self> {
        let path = folder(repo).join("recipe.toml");
        let text = fs::read_to_string(&path).on("read", &path)?;
        toml::from_str(&text).map_err(|error| Error::fault(format!("{}: {error}", path.display())))
    }

    /// A hash of everything in the repository that decides what the image of `release` holds.
    pub fn source(&self, repo: &Path, release: &str) -> Result<String> {
        let folder = folder(repo);
        let mut files = vec![folder.join("recipe.toml"), repo.join("rust-toolchain.toml")];
        files.extend(self.dom0.scripts.keys().chain(self.linux_guest.scripts.keys()).map(|name| folder.join(name)));
        tree(&folder.join("agent"), &mut files)?;
        let lock = lock_file(repo, release);
        if lock.exists() {
            files.push(lock);
        }
        let mut hash = Sha256::new();
        let mut item = |name: &[u8], data: &[u8]| {
            for part in [name, data] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        };
        item(b"builder", &BUILDER.to_le_bytes());
        item(b"release", release.as_bytes());
        for file in &files {
            let name = file.strip_prefix(repo).unwrap_or(file);
            item(name.as_os_str().as_encoded_bytes(), &fs::read(file).on("read", file)?);
        }
        item(b"profile", agent_profile(&read_toml(&repo.join("Cargo.toml"))?).as_bytes());
        item(b"crates", agent_crates(&read_toml(&repo.join("Cargo.lock"))?).join("\n").as_bytes());
        Ok(hex(&hash.finalize())[..16].to_owned())
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_toml(path: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(path).on("read", path)?;
    text.parse().map_err(|error| Error::fault(format!("{}: {error}", path.display())))
}

/// All files below `dir`, in an order that does not depend on the file system.
fn tree(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).on("read", dir)? {
        found.push(item.on("read", dir)?.path());
    }
    found.sort();
    for path in found {
        if path.is_dir() { tree(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// How the workspace compiles the agent.
fn agent_profile(workspace: &toml::Table) -> String {
    let profile = |name| workspace.get("profile")?.get(name).map(ToString::to_string);
    format!("{:?} {:?}", profile("agent"), profile("release"))
}

/// The agent's crates with version and checksum. The lock file holds the whole workspace's, and a change
/// elsewhere in it is no reason to build the host anew.
fn agent_crates(lock: &toml::Table) -> Vec<String> {
    let text = |table: &toml::Value, key: &str| table.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let packages = lock.get("package").and_then(|value| value.as_array()).map(Vec::as_slice).unwrap_or_default();
    let mut wanted = vec!["dom0-agent".to_owned()];
    let mut crates = BTreeSet::new();
    while let Some(want) = wanted.pop() {
        // A dependency is a name, and a version too where the workspace has several.
        let (name, version) = want.split_once(' ').unwrap_or((&want, ""));
        for package in packages {
            if text(package, "name") != name || !(version.is_empty() || text(package, "version").starts_with(version)) {
                continue;
            }
            if crates.insert(format!("{name} {} {}", text(package, "version"), text(package, "checksum"))) {
                let dependencies = package.get("dependencies").and_then(|value| value.as_array());
                wanted.extend(dependencies.into_iter().flatten().filter_map(|d| d.as_str().map(str::to_owned)));
            }
        }
    }
    crates.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn the_recipe_reads_and_its_scripts_exist() {
        let recipe = Recipe::read(&repo()).unwrap();
        for script in recipe.dom0.scripts.keys().chain(recipe.linux_guest.scripts.keys()) {
            assert!(folder(&repo()).join(script).is_file(), "{script}");
        }
    }

    #[test]
    fn versions_come_from_package_names() {
        let recipe = Recipe::read(&repo()).unwrap();
        let packages = ["libc6", "xen-hypervisor-4.17-amd64", "linux-image-6.1.0-56-amd64"];
        let names = Names::among(&recipe, packages.into_iter()).unwrap();
        assert_eq!(names, Names { xen: "4.17".into(), kernel: "6.1.0-56-amd64".into() });
        assert!(names.roots(&recipe).contains(&"xen-utils-4.17".to_owned()));
        assert_eq!(Names::among(&recipe, packages[..2].iter().copied()), None);
        assert_eq!(between("xen-hypervisor-common", &recipe.packages.hypervisor, "{xen}"), None);
    }

    #[test]
    fn only_the_agents_own_crates_count() {
        let lock: toml::Table = r#"
            [[package]]
            name = "dom0-agent"
            version = "0.1.0"
            dependencies = ["serde", "rustix 1.0.0"]
            [[package]]
            name = "serde"
            version = "1.0.1"
            checksum = "aa"
            [[package]]
            name = "rustix"
            version = "1.0.0"
            checksum = "bb"
            [[package]]
            name = "rustix"
            version = "0.38.0"
            checksum = "cc"
            [[package]]
            name = "clap"
            version = "4.0.0"
        "#
        .parse()
        .unwrap();
        assert_eq!(agent_crates(&lock), ["dom0-agent 0.1.0 ", "rustix 1.0.0 bb", "serde 1.0.1 aa"]);
    }

    #[test]
    fn the_source_follows_the_release() {
        let recipe = Recipe::read(&repo()).unwrap();
        let one = recipe.source(&repo(), "bookworm").unwrap();
        assert_eq!(one, recipe.source(&repo(), "bookworm").unwrap());
        assert_ne!(one, recipe.source(&repo(), "trixie").unwrap());
    }
}
