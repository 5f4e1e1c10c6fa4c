//! What can be done with files, one thing at a time.
//!
//! Directories, and which clusters are free, are the crate's. The bytes of files are read and overwritten here, cluster by cluster, which
//! the crate can only do from the beginning to the end.
//!
//! A file that is to become longer gets its new clusters first. If there are not enough of them, the crate takes those back that it has
//! got, and nothing else has been changed. Then what was there is overwritten, which takes no room.
//!
//! Invariant: no chain is used before it was looked at.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use hadris_fat::sync::write::FileWriter;
use hadris_fat::sync::{FatDir, FatVolume, FatVolumeWriteExt, FileEntry};

use super::chain::{self, Known};
use super::layout::Layout;
use super::storage::{Cursor, Storage};
use super::{Corrupt, Trouble, shown};
use crate::date::Date;
use crate::files::{Entry, FileReason, memory, names, parent};

/// Zeros for a gap, at a time.
const ZEROS: [u8; 512] = [0; 512];

/// The file system, for one operation.
pub(super) struct Operation<'a> {
    pub storage: &'a dyn Storage,
    pub layout: &'a Layout,
    pub volume: &'a FatVolume<Cursor>,
    /// For looking at the table.
    pub cursor: Cursor,
    pub known: &'a mut Option<Known>,
}

type Directory<'a> = FatDir<'a, Cursor>;

impl<'a> Operation<'a> {
    /// The directory that these names lead to.
    fn directory(&mut self, names: &[&str]) -> Result<Directory<'a>, Trouble> {
        let mut directory = self.volume.root_dir();
        for name in names {
            let entry = directory.find(name)?.ok_or(FileReason::NotFound)?;
            directory = self.volume.open_dir_entry(&entry)?;
            let first = entry.cluster().0 as u64;
            chain::look_at_directory(self.layout, self.volume.fat(), &mut self.cursor, first)?;
        }
        Ok(directory)
    }

    /// What is called so, in its directory.
    fn find(&mut self, path: &str) -> Result<(Directory<'a>, FileEntry), Trouble> {
        let (above, name) = parent(path)?;
        let directory = self.directory(&above)?;
        let entry = directory.find(name)?.ok_or(FileReason::NotFound)?;
        Ok((directory, entry))
    }

    fn file(&mut self, path: &str) -> Result<(Directory<'a>, FileEntry), Trouble> {
        let found = self.find(path)?;
        if found.1.is_directory() { Err(FileReason::IsDirectory.into()) } else { Ok(found) }
    }

    /// How many clusters a file has, after a look at them. It may have more than it needs, if whoever made it longer has not come to an
    /// end.
    fn look_at(&mut self, file: &FileEntry) -> Result<u64, Trouble> {
        let first = file.cluster().0 as u64;
        if first == 0 && file.is_empty() {
            return Ok(0);
        }
        let known = match *self.known {
            Some(known) if known.first == first => known,
            _ => *self.known.insert(Known::new(self.volume.fat(), &mut self.cursor, self.layout, first)?),
        };
        if known.length * self.layout.cluster < file.len() { Err(Corrupt.into()) } else { Ok(known.length) }
    }

    /// Where on the disk bytes of a file are: calls `run` with each place, and which of the bytes are there.
    fn each_cluster(
        &mut self,
        file: &FileEntry,
        offset: u64,
        length: usize,
        mut run: impl FnMut(&dyn Storage, u64, Range<usize>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.look_at(file)?;
        let mut done = 0;
        while done < length {
            let at = offset + done as u64;
            let (index, within) = (at / self.layout.cluster, at % self.layout.cluster);
            let here = ((self.layout.cluster - within) as usize).min(length - done);
            let known = self.known.as_mut().ok_or(Corrupt)?;
            let cluster = known.cluster(self.volume.fat(), &mut self.cursor, index)?;
            run(self.storage, self.layout.offset(cluster)? + within, done..done + here)?;
            done += here;
        }
        Ok(())
    }

    fn read_bytes(&mut self, file: &FileEntry, offset: u64, bytes: &mut [u8]) -> Result<usize, Trouble> {
        let rest = file.len().saturating_sub(offset);
        let count = usize::try_from(rest).map_or(bytes.len(), |rest| rest.min(bytes.len()));
        self.each_cluster(file, offset, count, |storage, place, range| Ok(storage.read(place, &mut bytes[range])?))?;
        Ok(count)
    }

    /// Writes over bytes that the file has.
    fn overwrite(&mut self, file: &FileEntry, offset: u64, bytes: &[u8]) -> Result<(), Trouble> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.each_cluster(file, offset, bytes.len(), |storage, place, range| Ok(storage.write(place, &bytes[range])?))?;
        let now = self.volume.time_provider().now();
        Ok(self.volume.set_times(file, Some(now), Some(now.date), None)?)
    }

    /// Makes a file longer, by zeros and then bytes, or changes nothing.
    fn extend(&mut self, directory: &Directory<'a>, file: FileEntry, zeros: u64, bytes: &[u8]) -> Result<(), Trouble> {
        self.look_at(&file)?;
        let end = file.len().checked_add(zeros).and_then(|end| end.checked_add(bytes.len() as u64));
        if end.is_none_or(|end| end > u32::MAX.into()) {
            return Err(FileReason::TooLarge.into());
        }
        if zeros == 0 && bytes.is_empty() {
            return Ok(());
        }
        let file = self.without_surplus(directory, file)?;
        *self.known = None;
        let mut writer = FileWriter::new_append(self.volume, &file)?;
        let mut left = zeros;
        while left > 0 {
            let here = left.min(ZEROS.len() as u64) as usize;
            writer.write(&ZEROS[..here])?;
            left -= here as u64;
        }
        writer.write(bytes)?;
        Ok(writer.finish()?) // where this isn't reached, the file is as long as it was
    }

    /// Frees clusters that a file has and doesn't need, behind which the crate would add new ones. It does so only for a file that becomes
    /// shorter: by its last byte, which is put back.
    fn without_surplus(&mut self, directory: &Directory<'a>, file: FileEntry) -> Result<FileEntry, Trouble> {
        let clusters = self.look_at(&file)?;
        if file.is_empty() || clusters == file.len().div_ceil(self.layout.cluster) {
            return Ok(file);
        }
        let mut last = [0];
        self.read_bytes(&file, file.len() - 1, &mut last)?;
        *self.known = None;
        self.volume.truncate(&file, file.len() as usize - 1)?;
        let mut writer = FileWriter::new_append(self.volume, &self.again(directory, &file)?)?;
        writer.write(&last)?;
        writer.finish()?;
        self.again(directory, &file)
    }

    /// What the directory says about a file now.
    fn again(&self, directory: &Directory<'a>, file: &FileEntry) -> Result<FileEntry, Trouble> {
        Ok(directory.find(&file.name())?.ok_or(FileReason::NotFound)?)
    }

    /// Cuts a file.
    fn cut(&mut self, file: &FileEntry, size: u64) -> Result<(), Trouble> {
        self.look_at(file)?;
        *self.known = None;
        Ok(self.volume.truncate(file, size as usize)?)
    }

    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, Trouble> {
        let (_, file) = self.file(path)?;
        if file.len() > self.layout.capacity() {
            return Err(Corrupt.into());
        }
        let mut bytes = memory(file.len())?;
        self.read_bytes(&file, 0, &mut bytes)?;
        Ok(bytes)
    }

    pub fn read_at(&mut self, path: &str, offset: u64, bytes: &mut [u8]) -> Result<usize, Trouble> {
        let (_, file) = self.file(path)?;
        self.read_bytes(&file, offset, bytes)
    }

    pub fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let (above, name) = parent(path)?;
        let directory = self.directory(&above)?;
        let Some(file) = directory.find(name)? else { return self.create(&directory, name, bytes) };
        if file.is_directory() {
            return Err(FileReason::IsDirectory.into());
        }
        let (old, new) = (file.len(), bytes.len() as u64);
        if new > old {
            self.extend(&directory, file.clone(), 0, &bytes[old as usize..])?;
        }
        let file = self.again(&directory, &file)?;
        self.overwrite(&file, 0, &bytes[..old.min(new) as usize])?;
        if new < old { self.cut(&file, new) } else { Ok(()) }
    }

    fn create(&mut self, directory: &Directory<'a>, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let file = self.volume.create_file(directory, name)?;
        let filled = self.extend(directory, file.clone(), 0, bytes);
        if filled.is_err() {
            // There shall be no empty file instead. If the disk fails, it stays, and the first error is the one to tell.
            let _ = self.volume.delete(&file);
        }
        filled
    }

    pub fn write_at(&mut self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), Trouble> {
        let (directory, file) = self.file(path)?;
        let size = file.len();
        let inside = usize::try_from(size.saturating_sub(offset)).map_or(bytes.len(), |rest| rest.min(bytes.len()));
        if inside < bytes.len() {
            self.extend(&directory, file.clone(), offset.saturating_sub(size), &bytes[inside..])?;
        }
        let file = self.again(&directory, &file)?;
        self.overwrite(&file, offset, &bytes[..inside])
    }

    pub fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let (above, name) = parent(path)?;
        let directory = self.directory(&above)?;
        match directory.find(name)? {
            Some(file) if file.is_directory() => Err(FileReason::IsDirectory.into()),
            Some(file) => self.extend(&directory, file, 0, bytes),
            None => self.create(&directory, name, bytes),
        }
    }

    pub fn set_size(&mut self, path: &str, size: u64) -> Result<(), Trouble> {
        let (directory, file) = self.file(path)?;
        match size.checked_sub(file.len()) {
            None => self.cut(&file, size),
            Some(more) => self.extend(&directory, file, more, &[]),
        }
    }

    pub fn entry(&mut self, path: &str) -> Result<Entry, Trouble> {
        if names(path)?.is_empty() {
            return Ok(Entry { name: String::new(), size: 0, is_directory: true, modified: Date::EARLIEST });
        }
        Ok(shown(&self.find(path)?.1))
    }

    pub fn list(&mut self, path: &str) -> Result<Vec<Entry>, Trouble> {
        let mut entries = self.directory(&names(path)?)?.entries();
        let mut all: Vec<Entry> = Vec::new();
        while let Some(entry) = entries.next_entry() {
            let entry = entry?;
            let entry = entry.as_entry().map(shown).filter(|entry| entry.name != "." && entry.name != "..");
            all.try_reserve(1).map_err(|_| FileReason::OutOfMemory)?;
            all.extend(entry);
        }
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    pub fn make_directory(&mut self, path: &str) -> Result<(), Trouble> {
        let (above, name) = parent(path)?;
        Ok(self.volume.create_dir(&self.directory(&above)?, name).map(drop)?)
    }

    pub fn remove(&mut self, path: &str) -> Result<(), Trouble> {
        let (_, entry) = self.find(path)?;
        if entry.is_directory() {
            let first = entry.cluster().0 as u64;
            chain::look_at_directory(self.layout, self.volume.fat(), &mut self.cursor, first)?;
        }
        *self.known = None;
        Ok(self.volume.delete(&entry)?)
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Trouble> {
        let (_, entry) = self.find(from)?;
        let (above, name) = parent(to)?;
        Ok(self.volume.rename(&entry, &self.directory(&above)?, name).map(drop)?)
    }
}
