//! What the heap does about mistakes while it is watched.
//!
//! Freed memory is filled with a byte that makes no sense as a pointer or a count, and new memory with another. A
//! block of a slab must still hold the first when it is handed out again: else somebody wrote to it after it was freed.
//! Invariant: none of this runs while the heap is not watched.

use core::mem::size_of;

use super::is_watched;
use super::slab::Block;

/// What freed memory is filled with.
pub const FREED: u8 = 0xd5;
/// What new memory is filled with: it isn't zero by chance.
pub const NEW: u8 = 0xc7;

/// Looks at a free block of a slab that is being handed out (null if there is none).
///
/// # Panics
/// If something has written to it since it was freed.
pub(super) fn taken(block: *mut u8, size: usize) -> *mut u8 {
    if is_watched() && !block.is_null() {
        // SAFETY: the block is free and ours, and was filled.
        let bytes = unsafe { core::slice::from_raw_parts(block, size) };
        let written = (size_of::<Block>()..size).find(|offset| bytes[*offset] != FREED);
        if let Some(offset) = written {
            panic!("{block:p}, {size} bytes, was written at offset {offset} after it was freed");
        }
    }
    // SAFETY: the block is free and ours.
    unsafe { fill(block, size, NEW) };
    block
}

/// Fills a block that nobody uses; nothing where there is none.
///
/// # Safety
/// The block must be the heap's.
pub(super) unsafe fn fill(block: *mut u8, size: usize, with: u8) {
    if is_watched() && !block.is_null() {
        // SAFETY: by this function's contract.
        unsafe { block.write_bytes(with, size) };
    }
}
