//! From an address in a guest to functions, files and lines, by the debug information of its ELF.
//!
//! Invariant: files of the repository are named relative to its root, those of the standard library from
//! `library/`, those of other crates by the crate's folder, so that a report reads the same on every machine.

use super::names;
use crate::error::{Error, Result};
use addr2line::Loader;
use std::fmt;
use std::path::{Path, PathBuf};

/// Looks up addresses in one ELF.
pub struct Symbolizer {
    loader: Loader,
    root: PathBuf,
}

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, relative to the repository where it is ours.
    pub file: String,
    /// The line, from 1; 0 where the compiler gives none.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One function at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its short name.
    pub function: String,
    /// Where in it.
    pub place: Option<Place>,
    /// Whether it was inlined into the next one.
    pub inlined: bool,
}

impl Symbolizer {
    /// Opens the ELF at `path`. Files under `root` are shown relative to it.
    pub fn open(path: &Path, root: &Path) -> Result<Self> {
        let loader = Loader::new(path)
            .map_err(|error| Error::fault(format!("read the debug information of {}: {error}", path.display())))?;
        Ok(Self { loader, root: root.canonicalize().unwrap_or_else(|_| root.to_owned()) })
    }

    /// The functions at `address`, the innermost inlined one first.
    pub fn frames(&self, address: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        if let Ok(mut found) = self.loader.find_frames(address) {
            while let Ok(Some(frame)) = found.next() {
                let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
                let place = frame.location.and_then(|location| {
                    Some(Place { file: self.shown(location.file?), line: location.line.unwrap_or(0) })
                });
                let Some(name) = name.map(|name| names::short(&name)).or_else(|| self.symbol(address)) else {
                    continue;
                };
                frames.push(Frame { function: name, place, inlined: true });
            }
        }
        if let (true, Some(function)) = (frames.is_empty(), self.symbol(address)) {
            frames.push(Frame { function, place: None, inlined: true });
        }
        if let Some(outermost) = frames.last_mut() {
            outermost.inlined = false;
        }
        frames
    }

    /// The most telling place of `address`: the innermost one in the repository, else the innermost.
    pub fn place(&self, address: u64) -> Option<Place> {
        let frames = self.frames(address);
        let ours = frames.iter().find_map(|frame| frame.place.clone().filter(ours));
        ours.or_else(|| frames.into_iter().find_map(|frame| frame.place))
    }

    fn symbol(&self, address: u64) -> Option<String> {
        self.loader.find_symbol(address).map(names::short)
    }

    fn shown(&self, file: &str) -> String {
        if let Ok(inside) = Path::new(file).strip_prefix(&self.root) {
            return inside.display().to_string();
        }
        // `/rustc/<hash>/library/core/..` and `<cargo>/registry/src/<index>/<crate>/..`.
        let after = |mark: &str| file.find(mark).map(|at| &file[at + mark.len()..]);
        if let (true, Some(rest)) = (file.starts_with("/rustc/"), after("/library/")) {
            return format!("library/{rest}");
        }
        match after("/registry/src/").and_then(|rest| rest.split_once('/')) {
            Some((_, rest)) => rest.to_owned(),
            None => file.to_owned(),
        }
    }
}

fn ours(place: &Place) -> bool {
    !place.file.starts_with('/') && !place.file.starts_with("library/")
}
