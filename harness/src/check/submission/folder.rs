//! A submission that is a folder.

use super::{LARGEST, MOST_ENTRIES, Source, refuse};
use crate::error::{Context, Result};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

pub struct Folder {
    path: PathBuf,
    handle: OwnedFd,
}

impl Folder {
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty()).on("open", path)?;
        Ok(Self { path: path.to_owned(), handle })
    }
}

impl Source for Folder {
    fn names(&mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut folders = vec![(self.path.clone(), String::new())];
        let mut seen = 0;
        while let Some((folder, prefix)) = folders.pop() {
            for entry in std::fs::read_dir(&folder).on("read", &folder)? {
                let entry = entry.on("read", &folder)?;
                seen += 1;
                if seen > MOST_ENTRIES {
                    return Err(refuse(format!("{} holds more than {MOST_ENTRIES} files", self.path.display())));
                }
                // A name that is no text is none of ours.
                let Ok(name) = entry.file_name().into_string() else { continue };
                // A link to a folder is listed like a file, and never followed.
                if entry.file_type().on("look at", &entry.path())?.is_dir() {
                    if !["target", ".git"].contains(&name.as_str()) {
                        folders.push((entry.path(), format!("{prefix}{name}/")));
                    }
                } else {
                    names.push(format!("{prefix}{name}"));
                }
            }
        }
        names.sort();
        Ok(names)
    }

    fn read(&mut self, name: &str) -> std::result::Result<Vec<u8>, String> {
        // Not blocking: opening a pipe would wait for a writer that never comes.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = openat2(&self.handle, name, flags, Mode::empty(), resolve).map_err(|error| match error {
            Errno::LOOP => "is a symbolic link, which is never followed".to_owned(),
            Errno::NXIO => "is no plain file".to_owned(),
            error => format!("cannot be read: {}", std::io::Error::from(error)),
        })?;
        let file = File::from(file);
        let plain = file.metadata().map_err(|error| format!("cannot be read: {error}"))?.is_file();
        if !plain {
            return Err("is no plain file".to_owned());
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
        Ok(bytes)
    }
}
