//! Writing an initramfs: a cpio archive in the "newc" format (the kernel's
//! Documentation/driver-api/early-userspace/buffer-format).
//!
//! Invariant: the same content gives the same bytes. Entries are sorted, all belong to root, none has a date.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::io::Write;

/// The content of an initramfs, by path without a leading slash.
#[derive(Default)]
pub struct Initramfs {
    entries: BTreeMap<String, Entry>,
}

enum Entry {
    Folder,
    File { data: Vec<u8>, mode: u32 },
    Link(String),
}

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

impl Initramfs {
    /// Adds an empty folder, and those above it.
    pub fn folder(&mut self, path: &str) {
        self.parents(path);
        self.entries.entry(path.to_owned()).or_insert(Entry::Folder);
    }

    /// Adds a file that can be run.
    pub fn program(&mut self, path: &str, data: &[u8]) {
        self.insert(path, Entry::File { data: data.to_vec(), mode: 0o755 });
    }

    /// Adds a file that is only read.
    pub fn file(&mut self, path: &str, data: &[u8]) {
        self.insert(path, Entry::File { data: data.to_vec(), mode: 0o644 });
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.insert(path, Entry::Link(target.to_owned()));
    }

    /// The archive.
    pub fn archive(&self) -> Result<Vec<u8>> {
        self.write().map_err(|error| Error::fault(format!("cannot write an initramfs: {error}")))
    }

    fn insert(&mut self, path: &str, entry: Entry) {
        self.parents(path);
        self.entries.insert(path.to_owned(), entry);
    }

    fn parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            self.entries.entry(path[..end].to_owned()).or_insert(Entry::Folder);
        }
    }

    fn write(&self) -> std::io::Result<Vec<u8>> {
        let mut archive = Vec::new();
        // A folder sorts before what is in it, as the kernel wants it.
        for (number, (path, entry)) in (1..).zip(&self.entries) {
            let (mode, data) = match entry {
                Entry::Folder => (FOLDER | 0o755, &[][..]),
                Entry::File { data, mode } => (FILE | mode, &data[..]),
                Entry::Link(target) => (LINK | 0o777, target.as_bytes()),
            };
            let length =
                u32::try_from(data.len()).map_err(|_| std::io::Error::other(format!("{path} is too large")))?;
            let mut writer = cpio::newc::Builder::new(path).ino(number).mode(mode).write(archive, length);
            writer.write_all(data)?;
            archive = writer.finish()?;
        }
        cpio::newc::trailer(archive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Initramfs {
        let mut image = Initramfs::default();
        image.program("usr/bin/xl", b"program");
        image.link("bin", "usr/bin");
        image.folder("proc");
        image.file("etc/modules", b"text");
        image
    }

    #[test]
    fn an_archive_reads_back_with_folders_before_their_content() {
        let archive = sample().archive().unwrap();
        let (mut rest, mut seen) = (&archive[..], Vec::new());
        loop {
            let mut reader = cpio::newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            assert_eq!((reader.entry().uid(), reader.entry().mtime(), reader.entry().nlink()), (0, 0, 1));
            let mut data = String::new();
            std::io::Read::read_to_string(&mut reader, &mut data).unwrap();
            rest = reader.finish().unwrap();
            seen.push((name, mode, data));
        }
        let expected = [
            ("bin", 0o120_777, "usr/bin"),
            ("etc", 0o040_755, ""),
            ("etc/modules", 0o100_644, "text"),
            ("proc", 0o040_755, ""),
            ("usr", 0o040_755, ""),
            ("usr/bin", 0o040_755, ""),
            ("usr/bin/xl", 0o100_755, "program"),
        ];
        assert_eq!(seen, expected.map(|(name, mode, data)| (name.to_owned(), mode, data.to_owned())));
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        assert_eq!(sample().archive().unwrap(), sample().archive().unwrap());
    }
}
