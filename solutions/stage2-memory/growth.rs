//! Reference for exercise 2c: heap growth.

use core::alloc::Layout;

use console::types::PAGE_SIZE;

use crate::heap_space::{GrowError, HeapSpace, LARGEST_RUN, OVERHEAD, SMALLEST_GROWTH};

const PAGE: u64 = PAGE_SIZE as u64;

/// Makes the heap large enough for an allocation that found no place in it.
pub fn grow(space: &mut impl HeapSpace, layout: Layout) -> Result<(), GrowError> {
    let bytes = (layout.size() as u64).checked_add(layout.align() as u64);
    let bytes = bytes.and_then(|bytes| bytes.checked_add(OVERHEAD)).ok_or(GrowError::NoRoom)?;
    let needed = bytes.div_ceil(PAGE);
    let start = space.end();
    let room = (space.limit() - start) / PAGE;
    if needed > room {
        return Err(GrowError::NoRoom);
    }
    let wanted = needed.max(SMALLEST_GROWTH).min(room);

    let mut mapped = 0;
    let mut step = LARGEST_RUN;
    while mapped < wanted {
        step = step.min(wanted - mapped);
        match piece(space, start + mapped * PAGE, step) {
            Ok(()) => mapped += step,
            // No run is so long: from now on shorter ones will do.
            Err(GrowError::OutOfMemory) if step > 1 => step /= 2,
            // Less than wanted, but what was needed.
            Err(_) if mapped >= needed => break,
            Err(error) => {
                if mapped > 0 {
                    space.unmap(start, mapped);
                }
                return Err(error);
            }
        }
    }
    space.extend(mapped * PAGE);
    Ok(())
}

/// Takes one run of frames and maps it.
fn piece(space: &mut impl HeapSpace, address: u64, pages: u64) -> Result<(), GrowError> {
    let run = space.take(pages).ok_or(GrowError::OutOfMemory)?;
    space.map(address, &run).map_err(|error| {
        space.give(run);
        GrowError::Map(error)
    })
}
