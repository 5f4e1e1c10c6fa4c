//! Lock files: the exact packages that the test host of one Debian release was last tried with.
//!
//! One package a line, `name version sha256 size`, sorted by name; `#` starts a comment. Packages are used as a
//! whole set: either all locked ones, or all that the archive has now, because Xen's packages need one another in
//! the same version.

use crate::error::{Context, Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// One binary package of an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its full Debian version.
    pub version: String,
    /// Of the `.deb` file.
    pub sha256: String,
    /// Of the `.deb` file, in bytes.
    pub size: u64,
}

/// Reads the lock file at `path`; one that does not exist locks nothing.
pub fn read(path: &Path) -> Result<Vec<Package>> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text).map_err(|line| {
            Error::fault(format!("{} is damaged: \"{line}\"", path.display()))
                .next("restore it from version control, or refresh it with: cargo harness host lock")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).on("read", path),
    }
}

/// Writes the lock file at `path`.
pub fn write(path: &Path, release: &str, packages: &[Package]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).on("make", folder)?;
    }
    std::fs::write(path, text(release, packages)).on("write", path)
}

fn text(release: &str, packages: &[Package]) -> String {
    let mut sorted: Vec<_> = packages.iter().collect();
    sorted.sort();
    let mut text = format!(
        "# The packages of the test host on Debian {release}: name, version, SHA-256, bytes.\n\
         # Refreshed by `cargo harness host lock` on a machine of that release.\n"
    );
    for Package { name, version, sha256, size } in sorted {
        let _ = writeln!(text, "{name} {version} {sha256} {size}");
    }
    text
}

fn parse(text: &str) -> std::result::Result<Vec<Package>, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| package(line).ok_or_else(|| line.to_owned())).collect()
}

fn package(line: &str) -> Option<Package> {
    let mut words = line.split(' ').map(str::to_owned);
    let (name, version, sha256, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let whole = sha256.len() == 64 && words.next().is_none();
    whole.then_some(Package { name, version, sha256, size: size.parse().ok()? })
}

/// Where `used` departs from `locked`, a package an item, such as `xen-utils-4.17 4.17.5 -> 4.17.7`.
pub fn differences(locked: &[Package], used: &[Package]) -> Vec<String> {
    let index = |packages: &[Package]| -> BTreeMap<String, (String, String)> {
        packages.iter().map(|p| (p.name.clone(), (p.version.clone(), p.sha256.clone()))).collect()
    };
    let (mut locked, mut found) = (index(locked), Vec::new());
    for (name, (version, sha256)) in index(used) {
        match locked.remove(&name) {
            Some((_, same)) if same == sha256 => {}
            Some((old, _)) if old == version => found.push(format!("{name} {version}, rebuilt")),
            Some((old, _)) => found.push(format!("{name} {old} -> {version}")),
            None => found.push(format!("{name} {version}, not locked")),
        }
    }
    found.extend(locked.into_iter().map(|(name, (old, _))| format!("{name} {old}, no longer needed")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, digit: char) -> Package {
        Package { name: name.into(), version: version.into(), sha256: digit.to_string().repeat(64), size: 7 }
    }

    #[test]
    fn a_lock_file_reads_back() {
        let packages = [package("busybox-static", "1:1.35.0-4+b1", 'a'), package("xen-utils-4.17", "4.17.7+13-1", 'b')];
        assert_eq!(parse(&text("bookworm", &packages)).unwrap(), packages);
        assert!(parse("libc6 2.36 abc 12").is_err());
    }

    #[test]
    fn differences_name_what_was_replaced_added_and_dropped() {
        let locked = [package("a", "1", '1'), package("b", "1", '1'), package("c", "1", '1'), package("d", "1", '1')];
        let used = [package("a", "1", '1'), package("b", "2", '2'), package("c", "1", '2'), package("e", "5", '1')];
        let expected = ["b 1 -> 2", "c 1, rebuilt", "e 5, not locked", "d 1, no longer needed"];
        assert_eq!(differences(&locked, &used), expected);
        assert_eq!(differences(&locked, &locked), [""; 0]);
    }
}
