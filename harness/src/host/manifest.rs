//! The manifest of a test host's image: what it was made from, and the checksums of its files.
//!
//! Invariant: an image whose manifest verifies is whole. Its `id` follows the content of its files, and so serves
//! as the key of whatever is made from them.

use super::content;
use super::lock::Package;
use super::packages;
use super::recipe::{self, Names};
use crate::error::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// The manifest's file name.
pub const NAME: &str = "manifest.toml";

/// What the manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// A hash of the files.
    pub id: String,
    /// A hash of what the repository says about the image (`Recipe::source`).
    pub source: String,
    /// The Debian release whose packages it holds.
    pub release: String,
    /// Xen's version.
    pub xen: String,
    /// The kernel's version.
    pub kernel: String,
    /// Where the packages depart from the lock file.
    pub replaced: Vec<String>,
    /// The files.
    pub file: Vec<FileSum>,
    /// The packages.
    pub package: Vec<Package>,
}

/// One file's size and checksums: a quick one for every start, a strong one for transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Its path in the image.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// CRC-32, in hexadecimal.
    pub crc32: String,
    /// SHA-256.
    pub sha256: String,
}

impl Manifest {
    /// Describes the finished image in `dir`.
    pub fn describe(dir: &Path, source: &str, release: &str, names: &Names, packages: &[Package]) -> Result<Self> {
        let mut file = Vec::new();
        let mut id = Sha256::new();
        for name in content::FILES {
            let path = dir.join(name);
            let (size, crc32) = quick_sum(&path)?;
            let sha256 = packages::sha256(&path)?;
            id.update(&sha256);
            file.push(FileSum { name: name.to_owned(), size, crc32, sha256 });
        }
        Ok(Self {
            id: recipe::hex(&id.finalize())[..16].to_owned(),
            source: source.to_owned(),
            release: release.to_owned(),
            xen: names.xen.clone(),
            kernel: names.kernel.clone(),
            replaced: Vec::new(),
            file,
            package: packages.to_vec(),
        })
    }

    /// Reads the manifest in `dir`.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(NAME);
        let text = fs::read_to_string(&path).on("read", &path)?;
        let manifest: Self =
            toml::from_str(&text).map_err(|error| Error::fault(format!("{}: {error}", path.display())))?;
        let names: Vec<_> = manifest.file.iter().map(|file| file.name.as_str()).collect();
        if names != content::FILES {
            return Err(Error::fault(format!("{} does not list the image's files", path.display())));
        }
        Ok(manifest)
    }

    /// Writes the manifest into `dir`.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Error::fault(format!("cannot write a manifest: {error}")))?;
        let path = dir.join(NAME);
        fs::write(&path, text).on("write", &path)
    }

    /// Which file of `dir` is missing or differs in size or CRC-32, if any. Takes some ten milliseconds.
    pub fn damaged(&self, dir: &Path) -> Option<String> {
        let whole =
            |file: &FileSum| quick_sum(&dir.join(&file.name)).is_ok_and(|sum| sum == (file.size, file.crc32.clone()));
        self.file.iter().find(|file| !whole(file)).map(|file| file.name.clone())
    }

    /// Which file of `dir` differs by SHA-256.
    pub fn altered(&self, dir: &Path) -> Option<String> {
        let same = |file: &FileSum| packages::sha256(&dir.join(&file.name)).is_ok_and(|sum| sum == file.sha256);
        self.file.iter().find(|file| !same(file)).map(|file| file.name.clone())
    }
}

fn quick_sum(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path).on("open", path)?;
    let mut hash = crc32fast::Hasher::new();
    let (mut buffer, mut size) = (vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut buffer).on("read", path)? {
            0 => return Ok((size, format!("{:08x}", hash.finalize()))),
            length => {
                hash.update(&buffer[..length]);
                size += length as u64;
            }
        }
    }
}

/// A small image for tests, complete with its manifest.
#[cfg(test)]
pub fn sample(dir: &Path, source: &str, release: &str) -> Manifest {
    fs::create_dir_all(dir.join("linux-guest")).unwrap();
    for name in content::FILES {
        fs::write(dir.join(name), format!("content of {name}").repeat(100)).unwrap();
    }
    let names = Names { xen: "4.17".into(), kernel: "6.1".into() };
    let manifest = Manifest::describe(dir, source, release, &names, &[]).unwrap();
    manifest.write(dir).unwrap();
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_image_verifies_and_a_changed_one_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let written = sample(dir.path(), "s", "bookworm");
        let manifest = Manifest::read(dir.path()).unwrap();
        assert_eq!(manifest, written);
        assert_eq!((manifest.damaged(dir.path()), manifest.altered(dir.path())), (None, None));

        let file = dir.path().join("linux-guest/initramfs");
        let mut data = fs::read(&file).unwrap();
        data[17] ^= 1;
        fs::write(&file, &data).unwrap();
        assert_eq!(manifest.damaged(dir.path()).as_deref(), Some("linux-guest/initramfs"));
        assert_eq!(manifest.altered(dir.path()).as_deref(), Some("linux-guest/initramfs"));
        fs::remove_file(dir.path().join("xen")).unwrap();
        assert_eq!(manifest.damaged(dir.path()).as_deref(), Some("xen"));
    }

    #[test]
    fn the_id_follows_the_content() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (first, second) = (sample(one.path(), "s", "bookworm"), sample(two.path(), "t", "bookworm"));
        assert_eq!(first.id, second.id);
        fs::write(two.path().join("xen"), "another").unwrap();
        let names = Names { xen: "4.17".into(), kernel: "6.1".into() };
        assert_ne!(Manifest::describe(two.path(), "s", "bookworm", &names, &[]).unwrap().id, first.id);
    }

    #[test]
    fn a_manifest_that_lists_other_files_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = sample(dir.path(), "s", "bookworm");
        manifest.file[0].name = "../../etc/passwd".into();
        manifest.write(dir.path()).unwrap();
        assert!(Manifest::read(dir.path()).is_err());
    }
}
