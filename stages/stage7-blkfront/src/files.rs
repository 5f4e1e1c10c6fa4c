//! Files: what every file system can do.
//!
//! A path is names with `/` between them, from the file system's root. There is one on a disk, [`Fat`](crate::fat::Fat), and one in
//! memory, [`RamFiles`](crate::ram_files::RamFiles).
//!
//! Invariant: what an operation refuses has changed nothing. Only a disk that fails half-way may leave half of it done.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::date::Date;
use crate::error::{DiskError, Reason};
use crate::name::Name;

/// The longest path, in bytes, as on other systems.
pub const LONGEST_PATH: usize = 4096;
/// The longest name in one.
pub const LONGEST_NAME: usize = 255;

/// Something can't be done with a file, and on which disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileError {
    /// The disk, or `memory`.
    pub place: Name,
    /// Why.
    pub reason: FileReason,
}

/// Why something can't be done with a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileReason {
    /// There is no such file or directory.
    NotFound,
    /// There is one of this name already.
    Exists,
    /// It is a directory.
    IsDirectory,
    /// It is no directory.
    NotADirectory,
    /// The directory is not empty.
    NotEmpty,
    /// The name, or the path, is too long, or can't be one.
    BadName,
    /// There is no room left.
    NoSpace,
    /// The file would be larger than one can be.
    TooLarge,
    /// There is no memory for its bytes.
    OutOfMemory,
    /// What is on the disk makes no sense: it is no file system, or a broken one.
    Corrupt,
    /// The disk fails.
    Disk(Reason),
}

impl fmt::Display for FileReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no such file",
            Self::Exists => "it exists already",
            Self::IsDirectory => "it is a directory",
            Self::NotADirectory => "it is no directory",
            Self::NotEmpty => "the directory is not empty",
            Self::BadName => "that can't be a name",
            Self::NoSpace => "there is no room left",
            Self::TooLarge => "the file would be too large",
            Self::OutOfMemory => "there is no memory for so much",
            Self::Corrupt => "there is no sound file system",
            Self::Disk(reason) => return fmt::Display::fmt(reason, f),
        })
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

impl core::error::Error for FileReason {}
impl core::error::Error for FileError {}

impl From<DiskError> for FileError {
    fn from(error: DiskError) -> Self {
        Self { place: error.disk, reason: FileReason::Disk(error.reason) }
    }
}

/// What a directory tells about one of its files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name; none for the root.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// When it was written last.
    pub modified: Date,
}

/// A file system. Each operation is done as a whole before the next one begins.
///
/// There are no open files: each operation names its file. What other systems call modes are these:
///
/// | mode | here |
/// |---|---|
/// | `r`, with a seek | [`read_at`](Self::read_at) |
/// | `w` | [`write`](Self::write), or [`write`](Self::write) of nothing and then [`append`](Self::append) |
/// | `a` | [`append`](Self::append) |
/// | `r+`, with a seek | [`read_at`](Self::read_at) and [`write_at`](Self::write_at) |
pub trait Files: Send + Sync {
    /// Reads all of a file.
    ///
    /// # Errors
    /// As all of these: see [`FileReason`].
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;

    /// Reads bytes of a file, from `offset` on. Returns how many there were.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_at(&self, path: &str, offset: u64, bytes: &mut [u8]) -> Result<usize, FileError>;

    /// Makes a file of these bytes. What it held before is gone.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FileError>;

    /// Writes bytes into a file that is there, from `offset` on. It becomes longer if need be; in a gap before `offset` are zeros.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), FileError>;

    /// Adds bytes to a file's end. The file is made if there is none.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), FileError>;

    /// Makes a file that is there so long: cuts it, or adds zeros.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn set_size(&self, path: &str, size: u64) -> Result<(), FileError>;

    /// What its directory tells about a file or a directory.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn entry(&self, path: &str) -> Result<Entry, FileError>;

    /// What is in a directory, in the order of names.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn list(&self, path: &str) -> Result<Vec<Entry>, FileError>;

    /// Makes a directory.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn make_directory(&self, path: &str) -> Result<(), FileError>;

    /// Removes a file, or a directory that is empty.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn remove(&self, path: &str) -> Result<(), FileError>;

    /// Gives a file or directory another path, where nothing is yet.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn rename(&self, from: &str, to: &str) -> Result<(), FileError>;

    /// Waits until everything that was done stays.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn flush(&self) -> Result<(), FileError>;
}

/// The names of a path.
///
/// # Errors
/// [`FileReason::BadName`] if it, or one of them, is too long or can't be.
pub fn names(path: &str) -> Result<Vec<&str>, FileReason> {
    let bad = |name: &&str| name.len() > LONGEST_NAME || name.contains('\0') || **name == *"..";
    if path.len() > LONGEST_PATH {
        return Err(FileReason::BadName);
    }
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    if names.iter().any(bad) { Err(FileReason::BadName) } else { Ok(names) }
}

/// The directory of a path, and the name in it.
///
/// # Errors
/// As [`names`], and for the root, which is in no directory.
pub fn parent(path: &str) -> Result<(Vec<&str>, &str), FileReason> {
    let mut names = names(path)?;
    let name = names.pop().ok_or(FileReason::IsDirectory)?;
    Ok((names, name))
}

/// So many bytes of memory, all zeros.
///
/// # Errors
/// [`FileReason::OutOfMemory`].
pub(crate) fn memory(size: u64) -> Result<Vec<u8>, FileReason> {
    let size = usize::try_from(size).map_err(|_| FileReason::OutOfMemory)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| FileReason::OutOfMemory)?;
    bytes.resize(size, 0);
    Ok(bytes)
}
