//! Which frames are free, as blocks: what the frame allocator works on.
//!
//! This is the *buddy system*. A block of order k is 2^k frames, the first of which is a multiple of 2^k. A block of
//! order k + 1 falls into two blocks of order k, which are each other's buddy; two buddies that are both free are
//! merged. Exercise 2a does this by means of the five operations of [`FreeBlocks`]; the kernel has one for its
//! memory, and the checks have one of their own.
//!
//! Invariant, the allocator's: no free frame is in two blocks, and no two blocks in the set are buddies. So
//! the set of blocks follows from the set of free frames, in whatever order they came.

use console::types::Pfn;

use crate::frame_allocator as exercise;

/// How many orders there are: the largest block has 2^20 frames, which is 4 GiB.
pub const ORDERS: u32 = 21;

// ANCHOR: free_blocks
/// A set of free blocks.
pub trait FreeBlocks {
    /// How many frames there are, free or not: the first is 0.
    fn frames(&self) -> u64;
    /// Whether this block, of this order, is in the set. `first` is a multiple of 2^order.
    fn contains(&self, order: u32, first: Pfn) -> bool;
    /// The lowest block of this order in the set whose first frame is `from` or higher.
    fn next(&self, order: u32, from: Pfn) -> Option<Pfn>;
    /// Puts a block into the set.
    fn insert(&mut self, order: u32, first: Pfn);
    /// Takes a block out of the set.
    fn remove(&mut self, order: u32, first: Pfn);
}
// ANCHOR_END: free_blocks

/// Why frames can't be freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreeError {
    /// There are no such frames, or none at all.
    NoFrames,
    /// At least one of them is free already.
    AlreadyFree,
}

/// Takes `count` adjacent frames out of a set, and returns the first; exercise 2a.
///
/// Looks for the smallest order whose blocks are large enough and of which there is one; among those takes the
/// lowest block. What isn't needed of it, at its end, goes back into the set. `None` if there is no such block, and if
/// `count` is 0.
pub fn allocate(blocks: &mut impl FreeBlocks, count: u64) -> Option<Pfn> {
    exercise::allocate(blocks, count)
}

/// Puts `count` frames from `first` on into a set, whether they were taken together or not; exercise 2a.
///
/// # Errors
/// If one of them isn't there or is free already; then nothing has changed.
pub fn free(blocks: &mut impl FreeBlocks, first: Pfn, count: u64) -> Result<(), FreeError> {
    exercise::free(blocks, first, count)
}
