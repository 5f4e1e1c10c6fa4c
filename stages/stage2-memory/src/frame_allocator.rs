//! Exercise 2a: the frame allocator. (Its reference is solutions/stage2-memory/frame_allocator.rs.)
//!
//! [`free_blocks`](crate::free_blocks) describes blocks and buddies, and the five operations of [`FreeBlocks`].

use console::lab_todo;
use console::types::Pfn;

use crate::free_blocks::{FreeBlocks, FreeError};

/// Takes `count` adjacent frames out of the set, and returns the first.
///
/// - Look for the smallest order whose blocks are large enough and of which there is a block; take the lowest of these.
/// - The frames at the block's beginning are the answer. The others go back into the set, in blocks as large as can be.
/// - `None`, and nothing changed, if there is no block, and if `count` is 0.
pub fn allocate(blocks: &mut impl FreeBlocks, count: u64) -> Option<Pfn> {
    lab_todo!("2a", blocks, count)
}

/// Puts `count` frames from `first` on into the set.
///
/// - `NoFrames` if `count` is 0, or if some of these frames don't exist.
/// - `AlreadyFree` if any of them is in a block of the set already, whatever the block's order. Nothing has changed
///   then.
/// - Two buddies that are both free become one block, which may have a free buddy in turn.
pub fn free(blocks: &mut impl FreeBlocks, first: Pfn, count: u64) -> Result<(), FreeError> {
    lab_todo!("2a", blocks, first, count)
}
