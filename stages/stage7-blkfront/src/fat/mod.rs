//! FAT, the file system that everybody can read.
//!
//! The format is the `hadris-fat` crate's business: FAT12, 16 and 32, with long names. Here it gets a disk behind a cache
//! ([`storage`]), the kernel's clock, and one lock around all of it. What the disk says about itself is looked at first (`layout`), and
//! each chain of clusters before it is used (`chain`); `operation` is what is done with files. A file system is on its disk as a
//! whole, without a partition table.
//!
//! Invariant: one operation at a time; an error of the disk's comes out as what it was; and whatever is on the disk, an operation ends.

mod chain;
mod layout;
mod operation;
pub mod storage;
#[cfg(test)]
mod tests;

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use console::lock::Lock;
use hadris_fat::sync::{FatDateTime, FatVolume, FileEntry};
use hadris_fat::time::TimeProvider;
use threads::sync::Mutex;
use threads::time::Nanoseconds;

use crate::cached::CachedDisk;
use crate::date::Date;
use crate::disk::Disk;
use crate::error::{DiskError, Reason};
use crate::files::{Entry, FileError, FileReason, Files};
use crate::held::{self, Held};
use chain::Known;
use layout::Layout;
use operation::Operation;
use storage::{Cursor, Failure, Storage};

/// Blocks in the cache: 512 KiB.
const CACHE: usize = 128;

/// The FAT file system of a disk.
///
/// What isn't flushed yet is when the last of it is dropped, and when the guest ends in order.
pub struct Fat(Arc<Mounted>);

struct Mounted {
    storage: Arc<dyn Storage>,
    layout: Layout,
    failure: Failure,
    locked: Mutex<Locked>,
}

/// What one operation at a time has.
struct Locked {
    volume: FatVolume<Cursor>,
    /// The chain that was looked at last.
    known: Option<Known>,
}

/// What is on the disk can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Corrupt;

/// Why an operation can't be done.
enum Trouble {
    /// As the crate says; if the disk has failed, that is noted elsewhere.
    Crate(hadris_fat::Error),
    /// As we say.
    Ours(FileReason),
}

impl From<hadris_fat::Error> for Trouble {
    fn from(error: hadris_fat::Error) -> Self {
        Self::Crate(error)
    }
}

impl From<FileReason> for Trouble {
    fn from(reason: FileReason) -> Self {
        Self::Ours(reason)
    }
}

impl From<Corrupt> for Trouble {
    fn from(_: Corrupt) -> Self {
        Self::Ours(FileReason::Corrupt)
    }
}

impl From<DiskError> for Trouble {
    fn from(error: DiskError) -> Self {
        Self::Ours(FileReason::Disk(error.reason))
    }
}

impl Fat {
    /// The file system on this disk.
    ///
    /// # Errors
    /// [`FileReason::Corrupt`] if there is none; [`FileReason::Disk`] if the disk fails.
    pub fn mount(disk: &Arc<Disk>) -> Result<Self, FileError> {
        Self::on(CachedDisk::new(disk.clone(), CACHE)?)
    }

    /// The file system on this storage.
    ///
    /// # Errors
    /// As [`mount`](Self::mount).
    pub fn on(storage: Arc<dyn Storage>) -> Result<Self, FileError> {
        let failure: Failure = Arc::new(Lock::new(None));
        let opened = Self::open(&storage, &failure);
        let error = |trouble| FileError { place: storage.name(), reason: reason(&trouble, &failure) };
        let (volume, layout) = opened.map_err(error)?;
        let locked = Mutex::new(Locked { volume, known: None });
        let mounted = Arc::new(Mounted { storage, layout, failure, locked });
        held::remember(Arc::<Mounted>::downgrade(&mounted));
        Ok(Self(mounted))
    }

    fn open(storage: &Arc<dyn Storage>, failure: &Failure) -> Result<(FatVolume<Cursor>, Layout), Trouble> {
        if storage.size() < layout::BYTES as u64 {
            return Err(Corrupt.into());
        }
        let mut sector = [0; layout::BYTES];
        storage.read(0, &mut sector)?;
        let layout = Layout::new(&sector, storage.size())?;
        let cursor = Cursor::new(storage.clone(), failure.clone());
        let volume = FatVolume::builder(cursor.clone()).time_provider(&Clock).open()?;
        if let Some(root) = layout.root {
            chain::look_at_directory(&layout, volume.fat(), &mut cursor.clone(), root)?;
        }
        Ok((volume, layout))
    }

    /// Does something with the names of a path, under the lock.
    fn with<T>(&self, run: impl FnOnce(&mut Operation<'_>) -> Result<T, Trouble>) -> Result<T, FileError> {
        let Mounted { storage, layout, failure, locked } = &*self.0;
        let mut locked = locked.lock();
        *failure.lock() = None;
        let Locked { volume, known } = &mut *locked;
        let cursor = Cursor::new(storage.clone(), failure.clone());
        let result = run(&mut Operation { storage: &**storage, layout, volume, cursor, known });
        result.map_err(|trouble| FileError { place: storage.name(), reason: reason(&trouble, failure) })
    }
}

/// What went wrong; where the disk has failed, how.
fn reason(trouble: &Trouble, failure: &Lock<Option<DiskError>>) -> FileReason {
    use hadris_fat::Error;
    if let Some(error) = failure.lock().take() {
        return FileReason::Disk(error.reason);
    }
    let error = match trouble {
        Trouble::Ours(reason) => return *reason,
        Trouble::Crate(error) => error,
    };
    match error {
        Error::EntryNotFound => FileReason::NotFound,
        Error::AlreadyExists => FileReason::Exists,
        Error::NotAFile => FileReason::IsDirectory,
        Error::NotADirectory => FileReason::NotADirectory,
        Error::DirectoryNotEmpty => FileReason::NotEmpty,
        Error::InvalidPath | Error::InvalidFilename => FileReason::BadName,
        Error::NoFreeSpace | Error::DirectoryFull => FileReason::NoSpace,
        // A name that can't be, among those on the disk, is no mistake of the caller's.
        _ => FileReason::Corrupt,
    }
}

impl Files for Fat {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.with(|operation| operation.read(path))
    }

    fn read_at(&self, path: &str, offset: u64, bytes: &mut [u8]) -> Result<usize, FileError> {
        self.with(|operation| operation.read_at(path, offset, bytes))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.with(|operation| operation.write(path, bytes))
    }

    fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        self.with(|operation| operation.write_at(path, offset, bytes))
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.with(|operation| operation.append(path, bytes))
    }

    fn set_size(&self, path: &str, size: u64) -> Result<(), FileError> {
        self.with(|operation| operation.set_size(path, size))
    }

    fn entry(&self, path: &str) -> Result<Entry, FileError> {
        self.with(|operation| operation.entry(path))
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, FileError> {
        self.with(|operation| operation.list(path))
    }

    fn make_directory(&self, path: &str) -> Result<(), FileError> {
        self.with(|operation| operation.make_directory(path))
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        self.with(|operation| operation.remove(path))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.with(|operation| operation.rename(from, to))
    }

    fn flush(&self) -> Result<(), FileError> {
        self.with(|operation| Ok(operation.storage.flush(None)?))
    }
}

impl Held for Mounted {
    fn let_go(&self, deadline: Nanoseconds) -> Result<(), DiskError> {
        let Ok(locked) = self.locked.lock_until(deadline) else {
            return Err(DiskError { disk: self.storage.name(), reason: Reason::TimedOut });
        };
        let done = self.storage.flush(Some(deadline));
        // Each operation is on the disk as a whole, or not at all: none may begin any more.
        core::mem::forget(locked);
        done
    }
}

fn shown(entry: &FileEntry) -> Entry {
    let FatDateTime { date, time, .. } = entry.modified();
    let modified = Date {
        year: 1980 + (date >> 9),
        month: (date >> 5 & 0xf) as u8,
        day: (date & 0x1f) as u8,
        hour: (time >> 11) as u8,
        minute: (time >> 5 & 0x3f) as u8,
        second: (time & 0x1f) as u8 * 2,
    };
    Entry { name: entry.name().to_string(), size: entry.len(), is_directory: entry.is_directory(), modified }
}

/// The kernel's clock, for the dates of files.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn now(&self) -> FatDateTime {
        let Date { year, month, day, hour, minute, second } = Date::now();
        FatDateTime::new(year, month, day, hour, minute, second)
    }
}
