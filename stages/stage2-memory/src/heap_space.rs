//! How the heap grows: what exercise 2c works with.
//!
//! The heap is one range of addresses, of which the beginning is mapped. The frames behind it needn't be adjacent,
//! since page tables can put any frame behind any page: that is what makes large allocations possible when memory is
//! in pieces. Invariant: the heap is extended by what is mapped, and by nothing else.

use core::alloc::Layout;
use core::fmt;

use console::types::Pfn;

use crate::growth as exercise;
use crate::page_tables::MapError;

/// Adjacent frames.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// The first one.
    pub first: Pfn,
    /// How many.
    pub pages: u64,
}

/// Most frames to take in one run: 2 MiB.
pub const LARGEST_RUN: u64 = 512;

/// Fewest pages to grow by, as long as there are so many: small steps would be many.
pub const SMALLEST_GROWTH: u64 = 16;

/// Bytes that the heap may lose to its own books when it makes an allocation.
pub const OVERHEAD: u64 = 32;

// ANCHOR: heap_space
/// A heap that can grow.
pub trait HeapSpace {
    /// The first address behind the heap: a multiple of the page size.
    fn end(&self) -> u64;
    /// The address that the heap can't grow beyond: a multiple of the page size.
    fn limit(&self) -> u64;
    /// Takes so many adjacent frames, at most [`LARGEST_RUN`], from the frame allocator; `None` if it has no such run.
    fn take(&mut self, pages: u64) -> Option<Run>;
    /// Gives frames back to the frame allocator that were never mapped.
    fn give(&mut self, run: Run);
    /// Maps frames at adjacent pages from `address` on.
    ///
    /// # Errors
    /// If it can't; then none of them is mapped.
    fn map(&mut self, address: u64, run: &Run) -> Result<(), MapError>;
    /// Unmaps so many pages from `address` on, and gives their frames back.
    fn unmap(&mut self, address: u64, pages: u64);
    /// Tells the heap that so many bytes more, from its end on, can be used. Its end moves.
    fn extend(&mut self, bytes: u64);
}
// ANCHOR_END: heap_space

/// Why the heap can't grow. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrowError {
    /// It would go beyond its limit.
    NoRoom,
    /// Too few frames are free.
    OutOfMemory,
    /// Frames can't be mapped.
    Map(MapError),
}

impl fmt::Display for GrowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom => f.write_str("no addresses left for the heap"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Map(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for GrowError {}

/// Makes the heap large enough for an allocation that found no place in it; exercise 2c.
///
/// It has to grow by the allocation's size and alignment and [`OVERHEAD`], in whole pages. It wants to grow by at least
/// [`SMALLEST_GROWTH`] pages, as far as its limit allows, but takes less than that if frames are short.
///
/// # Errors
/// If it can't grow by what it has to; then all frames are given back, and the heap is as it was.
pub fn grow(space: &mut impl HeapSpace, layout: Layout) -> Result<(), GrowError> {
    exercise::grow(space, layout)
}
