//! The disks of `harness run`: files that the guest gets copies of, which come back when it has ended.
//!
//! The copies are in dom0's memory, where its loop device and blkback serve them.
//!
//! Invariant: a file is as it was, or as the guest left it, and what keeps the guest's from it is told.

use super::NAME;
use crate::error::{Context, Error, Result};
use crate::interrupt::Unfinished;
use crate::machine::{CHUNK, Disk, Machine};
use rustix::fs::{Access, access};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// What all disks together may have: dom0's memory less what it needs itself. A guest may write on each byte.
const MOST_MIB: u64 = 256;

/// The disks of one guest.
pub struct Disks {
    files: Vec<(PathBuf, u64)>,
}

impl Disks {
    /// Looks at the files.
    ///
    /// # Errors
    /// For one that isn't there, or that could not be put back; and where they are too large.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let files: Vec<(PathBuf, u64)> = paths.iter().map(|path| look_at(path)).collect::<Result<_>>()?;
        let mib = files.iter().map(|(_, bytes)| bytes).sum::<u64>().div_ceil(1 << 20);
        if mib > MOST_MIB {
            let text = format!("disks of {mib} MiB are more than the test host can hold: {MOST_MIB} MiB in all");
            return Err(Error::usage(text).next("larger ones need a real Xen host: `cargo harness image`"));
        }
        Ok(Self { files })
    }

    /// Copies them into dom0.
    pub fn put(&self, machine: &Machine) -> Result<()> {
        for ((path, bytes), disk) in self.files.iter().zip(self.of_the_guest()) {
            let file = File::open(path).on("open", path)?;
            machine.agent().put_from(&disk.path, file, *bytes)?;
        }
        Ok(())
    }

    /// Which the guest has.
    pub fn of_the_guest(&self) -> Vec<Disk> {
        let names = (b'a'..=b'z').map(|letter| format!("xvd{}", char::from(letter)));
        let disk = |vdev: String| Disk { path: format!("/images/{vdev}"), vdev, writable: true };
        names.take(self.files.len()).map(disk).collect()
    }

    /// Brings what the guest wrote back into the files. A guest that lives is ended: of one that writes on, a disk would
    /// come back that never was.
    pub fn fetch(&self, machine: &Machine) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let ended = machine.agent().destroy(NAME);
        let mut kept = Ok(());
        for ((path, bytes), disk) in self.files.iter().zip(self.of_the_guest()) {
            // One that can't be had costs no other.
            let fetched = ended.as_ref().map_err(|error| Error::new(error.kind, &error.message));
            let fetched = fetched.and_then(|()| fetch(machine, &disk, *bytes, path)).map_err(|error| {
                let what = format!("what the guest wrote to {} is lost, and the file as it was", path.display());
                Error::new(error.kind, format!("{what}: {}", error.message))
            });
            kept = kept.and(fetched);
        }
        kept
    }
}

/// Where a disk really is, and how many bytes it has.
fn look_at(path: &Path) -> Result<(PathBuf, u64)> {
    let refused = |why: &dyn std::fmt::Display| Error::usage(format!("the disk {}: {why}", path.display()));
    let missing = |error: std::io::Error| {
        refused(&error).next(format!("make an empty one of 64 MiB: truncate -s 64M {}", path.display()))
    };
    let real = fs::canonicalize(path).map_err(missing)?;
    let file = File::options().read(true).write(true).open(&real).map_err(missing)?.metadata().map_err(missing)?;
    if !file.is_file() {
        return Err(refused(&"it is no file").next("copy it into one, which the guest then has"));
    }
    // Better known before the guest has written anything.
    let folder = real.parent().unwrap_or(Path::new("/"));
    access(folder, Access::WRITE_OK).map_err(|error| {
        refused(&format_args!("{error}: the changed disk is put together in its folder, and then takes its place"))
    })?;
    Ok((real, file.len()))
}

/// Brings one disk back.
fn fetch(machine: &Machine, disk: &Disk, bytes: u64, path: &Path) -> Result<()> {
    let before = fs::metadata(path).on("look at", path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let (_unfinished, mut beside) = Unfinished::make(|| NamedTempFile::new_in(folder)).on("write in", folder)?;
    let mut offset = 0;
    while offset < bytes {
        let part = machine.agent().get_part(&disk.path, offset, (bytes - offset).min(CHUNK as u64) as u32)?;
        if part.is_empty() {
            return Err(Error::fault(format!("dom0 has only {offset} of its {bytes} bytes")));
        }
        // Zeros take no room, as before.
        match part.iter().all(|byte| *byte == 0) {
            true => beside.seek(SeekFrom::Current(part.len() as i64)).map(drop).on("write", beside.path())?,
            false => beside.write_all(&part).on("write", path)?,
        }
        offset += part.len() as u64;
    }
    let file = beside.as_file();
    file.set_len(bytes).on("write", path)?;
    file.set_permissions(before.permissions()).on("write", path)?;
    // Root alone may give files away; anybody else's are his own already.
    let _ = fchown(file, Some(before.uid()), Some(before.gid()));
    // On the disk before it takes the old one's place: a power cut leaves one of the two, whole.
    file.sync_all().on("write", path)?;
    match beside.persist(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            let (_, aside) = error.file.keep().map_err(|error| error.error).on("keep the disk beside", path)?;
            Err(Error::from_io(&error.error, format_args!("it is in {} now, for replacing it failed", aside.display())))
        }
    }
}
