//! What a file system stands on, and how the `hadris-fat` crate sees it.
//!
//! Invariant: an error of the disk's is kept, as the crate's own errors don't tell it.

use alloc::sync::Arc;

use console::lock::Lock;
use hadris_fat::sync::{Error as IoError, ErrorKind, IoResult, Read, Seek, SeekFrom, Write};
use threads::time::Nanoseconds;

use crate::error::DiskError;
use crate::name::Name;

/// Bytes at any offset, with a cache in front of them. Tests have some that are in memory.
pub trait Storage: Send + Sync {
    /// What errors call it.
    fn name(&self) -> Name;

    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Reads bytes.
    ///
    /// # Errors
    /// If the disk can't.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError>;

    /// Writes bytes.
    ///
    /// # Errors
    /// If the disk can't.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Waits until what was written stays, until the deadline if there is one.
    ///
    /// # Errors
    /// If the disk can't.
    fn flush(&self, deadline: Option<Nanoseconds>) -> Result<(), DiskError>;
}

/// What went wrong with the disk last.
pub(super) type Failure = Arc<Lock<Option<DiskError>>>;

/// A storage as the crate sees it: bytes, and a place among them.
#[derive(Clone)]
pub(super) struct Cursor {
    storage: Arc<dyn Storage>,
    at: u64,
    failure: Failure,
}

impl Cursor {
    pub(super) fn new(storage: Arc<dyn Storage>, failure: Failure) -> Self {
        Self { storage, at: 0, failure }
    }

    fn rest(&self, wanted: usize) -> usize {
        let rest = self.storage.size().saturating_sub(self.at);
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
        self.note(self.storage.read(self.at, &mut bytes[..count]))?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Cursor {
    type Error = ErrorKind;

    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let count = self.rest(bytes.len());
        self.note(self.storage.write(self.at, &bytes[..count]))?;
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
            SeekFrom::End(by) => self.storage.size().checked_add_signed(by),
        };
        self.at = at.ok_or(IoError::from_kind(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
