//! A disk behind a cache of its blocks.
//!
//! Invariant: what a write has put into the cache reaches the disk by the next flush that works, at the latest. There is one when the
//! cache is dropped, and when the guest ends in order.

use alloc::sync::Arc;

use threads::sync::Mutex;
use threads::time::{Nanoseconds, after};

use crate::block_cache::{self, BLOCK, Blocks, Cache};
use crate::disk::Disk;
use crate::error::{DiskError, Reason};
use crate::fat::storage::Storage;
use crate::held::{self, Held};
use crate::name::Name;

/// A disk behind a cache.
pub struct CachedDisk {
    disk: Arc<Disk>,
    cache: Mutex<Cache>,
}

impl CachedDisk {
    /// The disk, behind a cache of so many blocks.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn new(disk: Arc<Disk>, blocks: usize) -> Result<Arc<Self>, DiskError> {
        let Ok(cache) = Cache::new(blocks) else {
            return Err(DiskError { disk: disk.name(), reason: Reason::OutOfMemory });
        };
        let cached = Arc::new(Self { disk, cache: Mutex::new(cache) });
        held::remember(Arc::<Self>::downgrade(&cached));
        Ok(cached)
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
            let index = block_cache::load(cache, &mut self.device(None), block, false)?;
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
            let index = block_cache::load(cache, &mut self.device(None), block, within.len() == BLOCK)?;
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
        block_cache::flush(&mut self.cache.lock(), &mut self.device(None))
    }

    /// [`flush`](Self::flush), until a deadline.
    ///
    /// # Errors
    /// As [`flush`](Self::flush), and [`Reason::TimedOut`].
    pub fn flush_until(&self, deadline: Nanoseconds) -> Result<(), DiskError> {
        let Ok(mut cache) = self.cache.lock_until(deadline) else {
            return Err(DiskError { disk: self.disk.name(), reason: Reason::TimedOut });
        };
        block_cache::flush(&mut cache, &mut self.device(Some(deadline)))
    }

    fn device(&self, deadline: Option<Nanoseconds>) -> Device<'_> {
        Device { disk: &self.disk, deadline }
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

impl Storage for CachedDisk {
    fn name(&self) -> Name {
        self.disk.name()
    }

    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.read(offset, bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.write(offset, bytes)
    }

    fn flush(&self, deadline: Option<Nanoseconds>) -> Result<(), DiskError> {
        deadline.map_or_else(|| self.flush(), |deadline| self.flush_until(deadline))
    }
}

impl Held for CachedDisk {
    fn let_go(&self, deadline: Nanoseconds) -> Result<(), DiskError> {
        self.flush_until(deadline)
    }
}

impl Drop for CachedDisk {
    fn drop(&mut self) {
        let cache = self.cache.get_mut();
        if cache.unflushed || cache.dirty() > 0 {
            let mut device = Device { disk: &self.disk, deadline: Some(after(held::PATIENCE)) };
            if let Err(error) = block_cache::flush(cache, &mut device) {
                log::error!("{error}: what was not flushed is lost");
            }
        }
    }
}

/// The disk as the cache sees it, until a deadline if there is one. Its last block may be cut short.
struct Device<'a> {
    disk: &'a Disk,
    deadline: Option<Nanoseconds>,
}

impl Device<'_> {
    fn place(&self, block: u64) -> (u64, usize) {
        let offset = block * BLOCK as u64;
        (offset, self.disk.size().saturating_sub(offset).min(BLOCK as u64) as usize)
    }
}

impl Blocks for Device<'_> {
    type Error = DiskError;

    fn read(&mut self, block: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        let (offset, length) = self.place(block);
        self.disk.wait(self.deadline, self.disk.read_async(offset, &mut bytes[..length]))
    }

    fn write(&mut self, block: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let (offset, length) = self.place(block);
        self.disk.wait(self.deadline, self.disk.write_async(offset, &bytes[..length]))
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.disk.wait(self.deadline, self.disk.flush_async())
    }
}
