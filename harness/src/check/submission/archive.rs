//! A submission that is a zip.

use super::{LARGEST, MOST_ENTRIES, Source, refuse};
use crate::error::{Context, Result};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// Bytes that a zip may have: packed exercises take a few kilobytes.
const LARGEST_ZIP: u64 = 16 << 20;

pub struct Archive {
    zip: ZipArchive<BufReader<File>>,
    name: String,
}

impl Archive {
    pub fn open(path: &Path, name: &str) -> Result<Self> {
        let file = File::open(path).on("open", path)?;
        let size = file.metadata().on("look at", path)?.len();
        if size == 0 {
            return Err(refuse(format!("{name} is an empty file")));
        }
        if size > LARGEST_ZIP {
            return Err(refuse(format!("{name} is larger than a submission may be, {} MiB", LARGEST_ZIP >> 20)));
        }
        let zip = ZipArchive::new(BufReader::new(file));
        let zip = zip.map_err(|error| refuse(format!("{name} cannot be read as a zip: {error}")))?;
        Ok(Self { zip, name: name.to_owned() })
    }
}

impl Source for Archive {
    fn names(&mut self) -> Result<Vec<String>> {
        if self.zip.len() > MOST_ENTRIES {
            return Err(refuse(format!("{} holds more than {MOST_ENTRIES} files", self.name)));
        }
        // A name that is no text is none of ours.
        let names = self.zip.file_names().filter_map(|name| name.ok().map(|name| name.into_owned()));
        Ok(names.filter(|name| !name.ends_with('/')).collect())
    }

    fn read(&mut self, name: &str) -> std::result::Result<Vec<u8>, String> {
        let file = self.zip.by_name(name).map_err(|error| format!("cannot be unpacked: {error}"))?;
        if file.is_symlink() {
            return Err("is a symbolic link, which is never followed".to_owned());
        }
        if !file.is_file() {
            return Err("is no plain file".to_owned());
        }
        // The size that the zip claims is only a claim: what counts is what comes out, and that is cut.
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be unpacked: {error}"))?;
        Ok(bytes)
    }
}
