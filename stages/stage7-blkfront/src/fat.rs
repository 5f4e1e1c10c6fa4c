//! FAT, the file system that everybody can read.
//!
//! The format is the `hadris-fat` crate's business: FAT12, 16 and 32, with long names. Here it gets a disk behind a cache, the kernel's
//! clock, and one lock around all of it. It is on the disk as a whole, without a partition table.
//!
//! Invariant: one operation at a time; an error of the disk's comes out as what it was.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use console::lock::Lock;
use hadris_fat::sync::write::FileWriter;
use hadris_fat::sync::{
    Error as IoError, ErrorKind, FatDateTime, FatDir, FatVolume, FatVolumeReadExt, FatVolumeWriteExt, FileEntry,
    IoResult, Read, Seek, SeekFrom, Write,
};
use hadris_fat::time::TimeProvider;
use threads::sync::Mutex;
use threads::time::Nanoseconds;

use crate::cached::CachedDisk;
use crate::date::Date;
use crate::disk::Disk;
use crate::error::{DiskError, Reason};
use crate::files::{Entry, FileError, Files, names, parent};
use crate::held::{self, Held};

/// Blocks in the cache: 512 KiB.
const CACHE: usize = 128;

/// The FAT file system of a disk.
///
/// What isn't flushed yet is when the last of it is dropped, and when the guest ends in order.
pub struct Fat(Arc<Mounted>);

struct Mounted {
    disk: Arc<CachedDisk>,
    volume: Mutex<FatVolume<Cursor>>,
    failure: Arc<Lock<Option<DiskError>>>,
}

impl Fat {
    /// The file system on this disk.
    ///
    /// # Errors
    /// [`FileError::Corrupt`] if there is none; [`FileError::Disk`] if the disk fails.
    pub fn mount(disk: &Arc<Disk>) -> Result<Self, FileError> {
        let disk = CachedDisk::new(disk.clone(), CACHE)?;
        let failure = Arc::new(Lock::new(None));
        let cursor = Cursor { disk: disk.clone(), at: 0, failure: failure.clone() };
        let opened = FatVolume::builder(cursor).time_provider(&Clock).open();
        let volume = opened.map_err(|error| told(&error, &failure))?;
        let mounted = Arc::new(Mounted { disk, volume: Mutex::new(volume), failure });
        held::remember(Arc::<Mounted>::downgrade(&mounted));
        Ok(Self(mounted))
    }

    fn with<T>(&self, run: impl FnOnce(&FatVolume<Cursor>) -> hadris_fat::Result<T>) -> Result<T, FileError> {
        let volume = self.0.volume.lock();
        *self.0.failure.lock() = None;
        run(&volume).map_err(|error| told(&error, &self.0.failure))
    }

    fn change(&self, path: &str, bytes: &[u8], keep: bool) -> Result<(), FileError> {
        let (above, name) = parent(path)?;
        self.with(|volume| {
            let directory = walk(volume, &above)?;
            let entry = match directory.find(name)? {
                Some(entry) if keep || entry.is_directory() => entry,
                Some(entry) => {
                    volume.truncate(&entry, 0)?;
                    directory.find(name)?.ok_or(hadris_fat::Error::EntryNotFound)?
                }
                None => volume.create_file(&directory, name)?,
            };
            if bytes.is_empty() {
                return Ok(());
            }
            let mut writer = if keep { FileWriter::new_append(volume, &entry)? } else { volume.write_file(&entry)? };
            let written = write_all(&mut writer, bytes);
            // What has been written belongs to the file, also if there was no room for the rest.
            let finished = writer.finish();
            written.and(finished)
        })
    }
}

fn write_all(writer: &mut FileWriter<'_, Cursor>, mut bytes: &[u8]) -> hadris_fat::Result<()> {
    while !bytes.is_empty() {
        match writer.write(bytes)? {
            0 => return Err(hadris_fat::Error::NoFreeSpace),
            count => bytes = &bytes[count..],
        }
    }
    Ok(())
}

/// The directory that these names lead to.
fn walk<'a>(volume: &'a FatVolume<Cursor>, names: &[&str]) -> hadris_fat::Result<FatDir<'a, Cursor>> {
    let mut directory = volume.root_dir();
    for name in names {
        let entry = directory.find(name)?.ok_or(hadris_fat::Error::EntryNotFound)?;
        directory = volume.open_dir_entry(&entry)?;
    }
    Ok(directory)
}

fn find(volume: &FatVolume<Cursor>, names: &[&str]) -> hadris_fat::Result<FileEntry> {
    let (name, above) = names.split_last().ok_or(hadris_fat::Error::NotAFile)?;
    walk(volume, above)?.find(name)?.ok_or(hadris_fat::Error::EntryNotFound)
}

/// What an error of the crate's means; where the disk has failed, how.
fn told(error: &hadris_fat::Error, failure: &Lock<Option<DiskError>>) -> FileError {
    use hadris_fat::Error;
    if let Some(error) = failure.lock().take() {
        return FileError::Disk(error);
    }
    match error {
        Error::EntryNotFound => FileError::NotFound,
        Error::AlreadyExists => FileError::Exists,
        Error::NotAFile => FileError::IsDirectory,
        Error::NotADirectory => FileError::NotADirectory,
        Error::DirectoryNotEmpty => FileError::NotEmpty,
        Error::InvalidPath | Error::InvalidFilename | Error::InvalidShortFilename => FileError::BadName,
        Error::NoFreeSpace | Error::DirectoryFull => FileError::NoSpace,
        _ => FileError::Corrupt,
    }
}

impl Files for Fat {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let names = names(path)?;
        self.with(|volume| volume.read_file(&find(volume, &names)?)?.read_to_vec())
    }

    fn read_at(&self, path: &str, offset: u64, bytes: &mut [u8]) -> Result<usize, FileError> {
        let names = names(path)?;
        self.with(|volume| {
            let mut reader = volume.read_file(&find(volume, &names)?)?;
            reader.seek(SeekFrom::Start(offset))?;
            let mut done = 0;
            while done < bytes.len() {
                match reader.read(&mut bytes[done..])? {
                    0 => break,
                    count => done += count,
                }
            }
            Ok(done)
        })
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.change(path, bytes, false)
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.change(path, bytes, true)
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, FileError> {
        let names = names(path)?;
        let mut all: Vec<Entry> = self.with(|volume| {
            let entries = walk(volume, &names)?.entries();
            entries.map(|entry| entry.map(|entry| entry.as_entry().map(shown))).filter_map(Result::transpose).collect()
        })?;
        all.retain(|entry| entry.name != "." && entry.name != "..");
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    fn make_directory(&self, path: &str) -> Result<(), FileError> {
        let (above, name) = parent(path)?;
        self.with(|volume| volume.create_dir(&walk(volume, &above)?, name).map(drop))
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        let names = names(path)?;
        self.with(|volume| volume.delete(&find(volume, &names)?))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let (from, (above, name)) = (names(from)?, parent(to)?);
        self.with(|volume| {
            let directory = walk(volume, &above)?;
            match directory.find(name)? {
                Some(_) => Err(hadris_fat::Error::AlreadyExists),
                None => volume.rename(&find(volume, &from)?, &directory, name).map(drop),
            }
        })
    }

    fn flush(&self) -> Result<(), FileError> {
        self.with(FatVolume::sync)?;
        self.0.disk.flush().map_err(FileError::Disk)
    }
}

impl Held for Mounted {
    fn let_go(&self, deadline: Nanoseconds) -> Result<(), DiskError> {
        let Ok(volume) = self.volume.lock_until(deadline) else {
            return Err(DiskError { disk: self.disk.disk().name(), reason: Reason::TimedOut });
        };
        let done = self.disk.flush_until(deadline);
        // Each operation is on the disk as a whole, or not at all: none may begin any more.
        core::mem::forget(volume);
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

/// The disk as the crate sees it: bytes, and a place among them.
struct Cursor {
    disk: Arc<CachedDisk>,
    at: u64,
    /// What went wrong last, which the crate's own errors don't tell.
    failure: Arc<Lock<Option<DiskError>>>,
}

impl Cursor {
    fn rest(&self, wanted: usize) -> usize {
        let rest = self.disk.disk().size().saturating_sub(self.at);
        usize::try_from(rest).map_or(wanted, |rest| rest.min(wanted))
    }

    fn note<T>(&self, result: Result<T, DiskError>) -> IoResult<T> {
        result.map_err(|error| {
            *self.failure.lock() = Some(error);
            IoError::from_kind(ErrorKind::Other)
        })
    }
}

impl Read for Cursor {
    type Error = ErrorKind;

    fn read(&mut self, bytes: &mut [u8]) -> IoResult<usize> {
        let count = self.rest(bytes.len());
        self.note(self.disk.read(self.at, &mut bytes[..count]))?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Cursor {
    type Error = ErrorKind;

    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let count = self.rest(bytes.len());
        self.note(self.disk.write(self.at, &bytes[..count]))?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(()) // only who asks the file system for it waits for the disk
    }
}

impl Seek for Cursor {
    type Error = ErrorKind;

    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.disk.disk().size().checked_add_signed(by),
        };
        self.at = at.ok_or(IoError::from_kind(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
