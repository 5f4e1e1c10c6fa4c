//! Reference for exercise 7c: the cache.

use alloc::vec::Vec;

use crate::block_cache::{Blocks, Cache};

pub fn find(cache: &Cache, block: u64) -> Option<usize> {
    cache.slots.iter().position(|slot| slot.block == Some(block))
}

pub fn victim(cache: &Cache) -> usize {
    let slots = cache.slots.iter().enumerate();
    slots.min_by_key(|(_, slot)| (slot.block.is_some(), slot.used)).map_or(0, |(index, _)| index)
}

pub fn load<B: Blocks>(cache: &mut Cache, device: &mut B, block: u64, whole: bool) -> Result<usize, B::Error> {
    let index = match find(cache, block) {
        Some(index) => index,
        None => replace(cache, device, block, whole)?,
    };
    cache.clock += 1;
    cache.slots[index].used = cache.clock;
    Ok(index)
}

/// Gives the block the place of another.
fn replace<B: Blocks>(cache: &mut Cache, device: &mut B, block: u64, whole: bool) -> Result<usize, B::Error> {
    let index = victim(cache);
    let slot = &mut cache.slots[index];
    if let (Some(old), true) = (slot.block, slot.dirty) {
        device.write(old, &slot.bytes)?;
        slot.dirty = false;
        cache.unflushed = true;
    }
    slot.block = None;
    if !whole {
        device.read(block, &mut slot.bytes)?;
    }
    slot.block = Some(block);
    Ok(index)
}

pub fn flush<B: Blocks>(cache: &mut Cache, device: &mut B) -> Result<(), B::Error> {
    let mut order: Vec<usize> = (0..cache.slots.len()).filter(|index| cache.slots[*index].dirty).collect();
    order.sort_by_key(|index| cache.slots[*index].block);
    let mut first = None;
    for index in order {
        let slot = &mut cache.slots[index];
        let Some(block) = slot.block else { continue };
        match device.write(block, &slot.bytes) {
            Ok(()) => {
                slot.dirty = false;
                cache.unflushed = true;
            }
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    if let Some(error) = first {
        return Err(error);
    }
    if cache.unflushed {
        device.flush()?;
        cache.unflushed = false;
    }
    Ok(())
}
