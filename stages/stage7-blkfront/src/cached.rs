//! A disk behind a cache of its blocks.
//!
//! Invariant: what a write has put into the cache reaches the disk by the next flush that works, at the latest.

use alloc::sync::Arc;

use threads::sync::Mutex;

use crate::block_cache::{self, BLOCK, Blocks, Cache};
use crate::disk::Disk;
use crate::error::{DiskError, Reason};

/// A disk behind a cache.
pub struct CachedDisk {
    disk: Arc<Disk>,
    cache: Mutex<Cache>,
}

impl CachedDisk {
    /// The disk, behind a cache of so many blocks.
    pub fn new(disk: Arc<Disk>, blocks: usize) -> Self {
        Self { disk, cache: Mutex::new(Cache::new(blocks)) }
    }

    /// The disk.
    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Reads bytes from anywhere.
    ///
    /// # Errors
    /// As the disk's.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.each_block(offset, bytes.len(), |cache, block, within, part| {
            let index = block_cache::load(cache, &mut Device(&self.disk), block, false)?;
            bytes[part].copy_from_slice(&cache.slots[index].bytes[within]);
            Ok(())
        })
    }

    /// Writes bytes to anywhere, in the cache: errors of the disk's may come later, from [`flush`](Self::flush).
    ///
    /// # Errors
    /// As the disk's.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        if self.disk.facts().limits.read_only {
            return Err(DiskError { disk: self.disk.name(), reason: Reason::ReadOnly });
        }
        self.each_block(offset, bytes.len(), |cache, block, within, part| {
            let index = block_cache::load(cache, &mut Device(&self.disk), block, within.len() == BLOCK)?;
            let slot = &mut cache.slots[index];
            slot.bytes[within].copy_from_slice(&bytes[part]);
            slot.dirty = true;
            Ok(())
        })
    }

    /// Writes what waits in the cache, and waits until it stays.
    ///
    /// # Errors
    /// As the disk's. What could not be written waits for the next flush.
    pub fn flush(&self) -> Result<(), DiskError> {
        block_cache::flush(&mut self.cache.lock(), &mut Device(&self.disk))
    }

    /// Runs something for each block that these bytes are in: with the part of the block, and the part of the bytes.
    fn each_block(
        &self,
        offset: u64,
        length: usize,
        mut run: impl FnMut(&mut Cache, u64, core::ops::Range<usize>, core::ops::Range<usize>) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let size = self.disk.size();
        let end = offset.saturating_add(length as u64);
        if end > size {
            return Err(DiskError { disk: self.disk.name(), reason: Reason::BeyondEnd { end, size } });
        }
        let mut cache = self.cache.lock();
        let mut done = 0;
        while done < length {
            let at = offset + done as u64;
            let (block, from) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let here = (BLOCK - from).min(length - done);
            run(&mut cache, block, from..from + here, done..done + here)?;
            done += here;
        }
        Ok(())
    }
}

/// The disk as the cache sees it. Its last block may be cut short.
struct Device<'a>(&'a Disk);

impl Device<'_> {
    fn place(&self, block: u64) -> (u64, usize) {
        let offset = block * BLOCK as u64;
        (offset, self.0.size().saturating_sub(offset).min(BLOCK as u64) as usize)
    }
}

impl Blocks for Device<'_> {
    type Error = DiskError;

    fn read(&mut self, block: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        let (offset, length) = self.place(block);
        self.0.read(offset, &mut bytes[..length])
    }

    fn write(&mut self, block: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let (offset, length) = self.place(block);
        self.0.write(offset, &bytes[..length])
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.0.flush()
    }
}
