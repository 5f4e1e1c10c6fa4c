//! Exercise 2c: heap growth. (Its reference is solutions/stage2-memory/growth.rs.)
//!
//! [`heap_space`](crate::heap_space) has the trait for a heap that can grow, and the numbers.

use core::alloc::Layout;

use console::lab_todo;

use crate::heap_space::{GrowError, HeapSpace};

/// Makes the heap large enough for an allocation that found no place in it.
///
/// - It *needs* the pages for size + alignment + `OVERHEAD` bytes. If there is no room for these below its limit:
///   `NoRoom`.
/// - It *wants* `SMALLEST_GROWTH` pages, if that is more, but not beyond its limit.
/// - Take frames in runs of `LARGEST_RUN`, or what is still wanted if that is less. When there is no run so long,
///   halve the length, and stay with it. Map each run right behind the one before.
/// - When not even one frame is left, or a run can't be mapped: go on if what is needed is there; else give everything
///   back, and return why.
/// - Extend the heap once, as the last thing, by all that was mapped.
pub fn grow(space: &mut impl HeapSpace, layout: Layout) -> Result<(), GrowError> {
    lab_todo!("2c", space, layout)
}
