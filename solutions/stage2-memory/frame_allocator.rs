//! Reference for exercise 2a: the frame allocator.

use console::types::Pfn;

use crate::free_blocks::{FreeBlocks, FreeError, ORDERS};

/// Takes `count` adjacent frames out of a set, and returns the first.
pub fn allocate(blocks: &mut impl FreeBlocks, count: u64) -> Option<Pfn> {
    if count == 0 {
        return None;
    }
    let enough = count.checked_next_power_of_two()?.trailing_zeros();
    let (order, first) = (enough..ORDERS).find_map(|order| Some((order, blocks.next(order, Pfn(0))?)))?;
    blocks.remove(order, first);
    put(blocks, first.0 + count, first.0 + (1 << order));
    Some(first)
}

/// Puts `count` frames from `first` on into a set.
pub fn free(blocks: &mut impl FreeBlocks, first: Pfn, count: u64) -> Result<(), FreeError> {
    let end = first.0.checked_add(count).filter(|end| count > 0 && *end <= blocks.frames());
    let end = end.ok_or(FreeError::NoFrames)?;
    for order in 0..ORDERS {
        // The first block of this order that reaches into the run begins here, at or before the run.
        let from = Pfn(first.0 >> order << order);
        if blocks.next(order, from).is_some_and(|block| block.0 < end) {
            return Err(FreeError::AlreadyFree);
        }
    }
    put(blocks, first.0, end);
    Ok(())
}

/// Puts the frames from `at` to before `end` into the set, in blocks as large as they can be.
fn put(blocks: &mut impl FreeBlocks, mut at: u64, end: u64) {
    while at < end {
        // As large as the place where it begins allows, and as what is left.
        let order = at.trailing_zeros().min((end - at).ilog2()).min(ORDERS - 1);
        merge(blocks, at, order);
        at += 1 << order;
    }
}

/// Puts one block into the set, merged with its buddy for as long as that is there.
fn merge(blocks: &mut impl FreeBlocks, mut first: u64, mut order: u32) {
    while order + 1 < ORDERS {
        let size = 1 << order;
        let buddy = Pfn(first ^ size);
        if !blocks.contains(order, buddy) {
            break;
        }
        blocks.remove(order, buddy);
        first &= !size;
        order += 1;
    }
    blocks.insert(order, Pfn(first));
}
