//! From an address in a guest to functions, files and lines, by the debug information of its ELF.
//!
//! Invariant: files of the repository are named relative to its root, those of the standard library from
//! `library/`, those of other crates by the crate's folder, so that a report reads the same on every machine.

use super::elf::Linked;
use super::names;
use super::tidy;
use crate::error::{Context, Error, Result};
use addr2line::Loader;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Looks up addresses in one ELF.
pub struct Symbolizer {
    loader: Loader,
    root: PathBuf,
    /// Start, end and mangled name of each function, by address.
    functions: Vec<(u64, u64, String)>,
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
    /// Its whole path.
    pub path: String,
    /// Where in it.
    pub place: Option<Place>,
    /// Whether it was inlined into the next one.
    pub inlined: bool,
}

impl Frame {
    fn new(mangled: &str, place: Option<Place>) -> Self {
        let path = names::path(&names::full(mangled));
        Self { function: names::short(mangled), path, place, inlined: true }
    }
}

impl Symbolizer {
    /// Opens the ELF at `path`. Files under `root` are shown relative to it.
    pub fn open(path: &Path, root: &Path) -> Result<Self> {
        let loader = Loader::new(path)
            .map_err(|error| Error::fault(format!("read the debug information of {}: {error}", path.display())))?;
        let bytes = fs::read(path).on("read", path)?;
        let functions = Linked::parse(&bytes, path)?.functions;
        let functions = functions.iter().map(|f| (f.start, f.end, f.name.to_owned())).collect();
        Ok(Self { loader, functions, root: root.canonicalize().unwrap_or_else(|_| root.to_owned()) })
    }

    /// The functions at `address`, the innermost inlined one first.
    pub fn frames(&self, address: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        // A guest whose stack is spoilt reports any number as an address, and the library adds to it.
        if self.functions.last().is_none_or(|last| address >= last.1) {
            return frames;
        }
        if let Ok(mut found) = self.loader.find_frames(address) {
            while let Ok(Some(frame)) = found.next() {
                let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
                let place = frame.location.and_then(|location| {
                    Some(Place { file: self.shown(location.file?), line: location.line.unwrap_or(0) })
                });
                let Some(name) = name.as_deref().or_else(|| self.symbol(address)) else { continue };
                frames.push(Frame::new(name, place));
            }
        }
        if let (true, Some(name)) = (frames.is_empty(), self.symbol(address)) {
            frames.push(Frame::new(name, None));
        }
        if let Some(outermost) = frames.last_mut() {
            outermost.inlined = false;
        }
        frames
    }

    /// The most telling place of `address`: the innermost one in the repository, else the innermost.
    pub fn place(&self, address: u64) -> Option<Place> {
        telling(self.frames(address)).and_then(|frame| frame.place)
    }

    /// The same in words: `file:line`, and the function there if it is inlined into the one that has the symbol.
    pub fn told(&self, address: u64) -> Option<String> {
        let frame = telling(self.frames(address))?;
        let place = frame.place?;
        Some(if frame.inlined { format!("{place} (inlined {})", frame.function) } else { place.to_string() })
    }

    /// Adds files and lines to the report of a panic or a fault, line by line. Other lines stay as they are.
    pub fn annotate(&self, text: &str) -> String {
        let mut annotator = Annotator::new(self);
        text.split_inclusive('\n').map(|line| annotator.line(line)).collect()
    }

    fn symbol(&self, address: u64) -> Option<&str> {
        let after = self.functions.partition_point(|function| function.0 <= address);
        let (_, _, name) = self.functions[..after].last().filter(|function| address < function.1)?;
        Some(name)
    }

    fn shown(&self, file: &str) -> String {
        if let Ok(inside) = Path::new(file).strip_prefix(&self.root) {
            return tidy(inside).display().to_string();
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

/// Adds ` at file:line` to the lines `  #N 0xaddress name+0xoffset` of a guest's reports, one line at a time.
pub struct Annotator<'s> {
    symbolizer: &'s Symbolizer,
    /// Whether the report is of a fault: its first address is an instruction's, not one that a call returns to.
    fault: bool,
}

impl<'s> Annotator<'s> {
    /// An annotator that has seen no report yet.
    pub fn new(symbolizer: &'s Symbolizer) -> Self {
        Self { symbolizer, fault: false }
    }

    /// The line, with the place added before its line end if it is a frame of a report.
    pub fn line(&mut self, line: &str) -> String {
        if line.contains("panic at ") || line.contains("fault: ") {
            self.fault = line.contains("fault: ");
        }
        let text = line.trim_end_matches(['\r', '\n']);
        let Some(added) = self.place(text) else { return line.to_owned() };
        format!("{text}{added}{}", &line[text.len()..])
    }

    fn place(&self, text: &str) -> Option<String> {
        let (number, address, rest) = frame_line(text)?;
        let exact = number == 0 && self.fault;
        let lookup = if exact { address } else { address.wrapping_sub(1) };
        let function = self.symbolizer.frames(lookup).pop()?.function;
        // The image names only what fits its symbol table.
        let name = if rest.contains("+0x") { String::new() } else { format!(" {function}") };
        let place = self.symbolizer.told(lookup).map(|told| format!(" at {told}")).unwrap_or_default();
        Some(format!("{name}{place}"))
    }
}

/// The number, the address and the rest of `  #N 0xaddress rest`, whatever stands before it.
fn frame_line(text: &str) -> Option<(u32, u64, &str)> {
    let (_, frame) = text.rsplit_once('#')?;
    let (number, rest) = frame.split_once(" 0x")?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    Some((number.parse().ok()?, u64::from_str_radix(&rest[..end], 16).ok()?, &rest[end..]))
}

/// Of the functions at an address the innermost in the repository, else the innermost that has a place.
fn telling(frames: Vec<Frame>) -> Option<Frame> {
    let ours = frames.iter().position(|frame| frame.place.as_ref().is_some_and(ours));
    let any = frames.iter().position(|frame| frame.place.is_some());
    frames.into_iter().nth(ours.or(any)?)
}

fn ours(place: &Place) -> bool {
    !place.file.starts_with('/') && !place.file.starts_with("library/")
}
