//! A cache of blocks: what was read isn't read again, and what is written waits until it has to be written.
//!
//! It has a fixed number of slots, each with the bytes of one block. What is asked for takes the place of what was unused for longest.
//! A write changes the slot only, which is *dirty* from then on: it is written when its place is needed, or by a flush. So many small
//! writes become one. The price: what isn't flushed yet is lost with the power, and what isn't flushed may be lost in any order.
//!
//! Invariant: a dirty slot's bytes are nowhere else; they stay until they are written.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;

use crate::cache as exercise;

/// Bytes in a block of the cache.
pub const BLOCK: usize = 4096;

// ANCHOR: blocks
/// What is behind the cache: a disk. The checks have one that fails when it is told to.
pub trait Blocks {
    /// What can go wrong.
    type Error;

    /// Reads a block. If that fails, `bytes` may hold anything.
    ///
    /// # Errors
    /// If it can't.
    fn read(&mut self, block: u64, bytes: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes a block.
    ///
    /// # Errors
    /// If it can't.
    fn write(&mut self, block: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Waits until what was written stays.
    ///
    /// # Errors
    /// If it can't.
    fn flush(&mut self) -> Result<(), Self::Error>;
}
// ANCHOR_END: blocks

// ANCHOR: cache
/// A place for a block.
pub struct Slot {
    /// The block that is in it; `None` if it is empty.
    pub block: Option<u64>,
    /// Its bytes have yet to be written.
    pub dirty: bool,
    /// When it was used last, by the cache's clock.
    pub used: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A cache.
pub struct Cache {
    /// The slots.
    pub slots: Vec<Slot>,
    /// Counts uses.
    pub clock: u64,
    /// Something was written since the last flush of the device that worked.
    pub unflushed: bool,
}
// ANCHOR_END: cache

impl Cache {
    /// A cache with so many slots, one at least, all of them empty.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn new(slots: usize) -> Result<Self, TryReserveError> {
        let mut all = Vec::new();
        all.try_reserve_exact(slots.max(1))?;
        for _ in 0..slots.max(1) {
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(BLOCK)?;
            bytes.resize(BLOCK, 0);
            all.push(Slot { block: None, dirty: false, used: 0, bytes });
        }
        Ok(Self { slots: all, clock: 0, unflushed: false })
    }

    /// How many slots are dirty.
    pub fn dirty(&self) -> usize {
        self.slots.iter().filter(|slot| slot.dirty).count()
    }
}

/// The slot that a block is in; exercise 7c.
pub fn find(cache: &Cache, block: u64) -> Option<usize> {
    exercise::find(cache, block)
}

/// The slot to be used next: an empty one, or the one that was unused for longest; exercise 7c.
pub fn victim(cache: &Cache) -> usize {
    exercise::victim(cache)
}

/// Has a block in a slot, and returns the slot; exercise 7c. Where the `whole` block is going to be overwritten it isn't read.
///
/// # Errors
/// What the device says. The block is in no slot then; and one that could not be written to make room is still there.
pub fn load<B: Blocks>(cache: &mut Cache, device: &mut B, block: u64, whole: bool) -> Result<usize, B::Error> {
    exercise::load(cache, device, block, whole)
}

/// Writes everything that is dirty, in ascending order, and then flushes the device; exercise 7c.
///
/// # Errors
/// The first thing that the device says. What could not be written is still dirty.
pub fn flush<B: Blocks>(cache: &mut Cache, device: &mut B) -> Result<(), B::Error> {
    exercise::flush(cache, device)
}
