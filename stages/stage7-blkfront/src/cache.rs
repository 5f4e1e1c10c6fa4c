//! Exercise 7c: the cache. (Its reference is solutions/stage7-blkfront/cache.rs.)
//!
//! [`block_cache`](crate::block_cache) has the slots, and the device behind them.

use console::lab_todo;

use crate::block_cache::{Blocks, Cache};

/// The slot that a block is in.
pub fn find(cache: &Cache, block: u64) -> Option<usize> {
    lab_todo!("7c", cache, block)
}

/// The slot to be used next.
///
/// - An empty one, if there is any: the first.
/// - Otherwise the one with the smallest `used`.
pub fn victim(cache: &Cache) -> usize {
    lab_todo!("7c", cache)
}

/// Has a block in a slot, and returns the slot.
///
/// - Each call that works is a use: `clock` counts one up, and the slot's `used` becomes that.
/// - If the block is there, nothing else happens.
/// - Otherwise it takes the place of the `victim`. If that is dirty, write it first. If that fails, it stays as it was, and the error
///   is the result. Otherwise it isn't dirty any more, and something is `unflushed`.
/// - Read the block, unless the `whole` of it is going to be overwritten. If that fails, the slot is empty, and the error is the result.
pub fn load<B: Blocks>(cache: &mut Cache, device: &mut B, block: u64, whole: bool) -> Result<usize, B::Error> {
    lab_todo!("7c", cache, device, block, whole)
}

/// Writes everything that is dirty, and then flushes the device.
///
/// - In ascending order of blocks, each once. What was written isn't dirty any more, and something is `unflushed`.
/// - A write that fails leaves its slot dirty. Go on with the others, and return the first error in the end, without a flush.
/// - If all went well, flush the device, but only if something is `unflushed`. After a flush that worked nothing is.
pub fn flush<B: Blocks>(cache: &mut Cache, device: &mut B) -> Result<(), B::Error> {
    lab_todo!("7c", cache, device)
}
