//! The base of the heap: blocks of any size, in one range of addresses that grows.
//!
//! `linked_list_allocator` keeps a list of the holes between blocks. It knows nothing of frames: when no hole is large
//! enough, exercise 2c finds frames, maps them right behind the heap's end, and tells it. The heap never shrinks, but
//! what is freed is used again.
//!
//! Invariant: from the heap's beginning to its end every page is mapped, writable, and nobody else's.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use console::lock::Lock;
use console::types::{Mfn, PAGE_SIZE, Pfn};
use x86_64::VirtAddr;

use super::Statistics;
use crate::entry::Access;
use crate::frames::{self, FrameRun};
use crate::heap_space::{self, HeapSpace, LARGEST_RUN, Run};
use crate::layout::HEAP;
use crate::live_tables::{address_to_machine, change};
use crate::page_tables::{self, MapError};
use crate::tlb;
use crate::translate::{mfn_to_pfn, pages, pfn_to_mfn};

struct Base {
    holes: linked_list_allocator::Heap,
    /// Bytes from the heap's beginning to its end.
    mapped: u64,
    started: bool,
    used: u64,
    allocations: u64,
    frees: u64,
    failures: u64,
}

static BASE: Lock<Base> = Lock::new(Base {
    holes: linked_list_allocator::Heap::empty(),
    mapped: 0,
    started: false,
    used: 0,
    allocations: 0,
    frees: 0,
    failures: 0,
});

/// From here on the heap may grow.
pub(super) fn start() {
    BASE.lock().started = true;
}

/// Takes a block; null if there is no memory.
pub(super) fn allocate(layout: Layout) -> *mut u8 {
    BASE.lock().allocate(layout)
}

/// Takes a block that the statistics are to count.
pub(super) fn allocate_counted(layout: Layout) -> *mut u8 {
    let mut base = BASE.lock();
    let block = base.allocate(layout);
    if !block.is_null() {
        base.allocations += 1;
        base.used += layout.size() as u64;
    }
    block
}

/// Puts a block back.
///
/// # Safety
/// It must have come from [`allocate`] with this layout, and nobody may use it any more.
pub(super) unsafe fn free(block: *mut u8, layout: Layout) {
    if let Some(block) = NonNull::new(block) {
        // SAFETY: by this function's contract.
        unsafe { BASE.lock().holes.deallocate(block, layout) };
    }
}

/// Puts a block back that was counted.
///
/// # Safety
/// As [`free`], with [`allocate_counted`].
pub(super) unsafe fn free_counted(block: *mut u8, layout: Layout) {
    // SAFETY: by this function's contract.
    unsafe { free(block, layout) };
    let mut base = BASE.lock();
    base.frees += 1;
    base.used -= layout.size() as u64;
}

pub(super) fn statistics() -> Statistics {
    let Base { mapped, used, allocations, frees, failures, .. } = *BASE.lock();
    Statistics { used, mapped, allocations, frees, failures }
}

impl Base {
    // ANCHOR: allocate
    fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // The hole list adds sizes to addresses without a look at the sum.
        if self.started && layout.size() as u64 <= pages() * PAGE_SIZE as u64 {
            for _ in 0..2 {
                if let Ok(block) = self.holes.allocate_first_fit(layout) {
                    return block.as_ptr();
                }
                if heap_space::grow(self, layout).is_err() {
                    break;
                }
            }
        }
        self.failures += 1;
        ptr::null_mut()
    }
    // ANCHOR_END: allocate
}

impl HeapSpace for Base {
    fn end(&self) -> u64 {
        HEAP.start + self.mapped
    }

    fn limit(&self) -> u64 {
        HEAP.end
    }

    fn take(&mut self, pages: u64) -> Option<Run> {
        let run = frames::allocate(pages).ok()?;
        let pages = run.count();
        Some(Run { first: run.leak(), pages })
    }

    fn give(&mut self, run: Run) {
        // SAFETY: the run came from `take`, and exercise or not, `frames` refuses what is free already.
        frames::free(unsafe { FrameRun::from_leaked(run.first, run.pages) });
    }

    fn map(&mut self, address: u64, run: &Run) -> Result<(), MapError> {
        let address = VirtAddr::try_new(address).map_err(|_| MapError::BadAddress)?;
        let mut mfns = [Mfn(0); LARGEST_RUN as usize];
        let mfns = mfns.get_mut(..run.pages as usize).ok_or(MapError::BadAddress)?;
        for (mfn, pfn) in mfns.iter_mut().zip(run.first.0..) {
            *mfn = pfn_to_mfn(Pfn(pfn)).ok_or(MapError::BadAddress)?;
        }
        change(|tables| page_tables::map(tables, address, mfns, Access::ReadWrite.flags()))
    }

    fn unmap(&mut self, address: u64, pages: u64) {
        for address in (0..pages).map(|page| address + page * PAGE_SIZE as u64) {
            let frame = address_to_machine(address).and_then(|(mfn, _)| mfn_to_pfn(mfn));
            let unmapped = VirtAddr::try_new(address).map(|page| change(|tables| page_tables::unmap(tables, page, 1)));
            tlb::flush(address..address + PAGE_SIZE as u64);
            if let (Some(first), Ok(Ok(()))) = (frame, unmapped) {
                self.give(Run { first, pages: 1 });
            }
        }
    }

    fn extend(&mut self, bytes: u64) {
        let (end, length) = (self.end(), bytes as usize);
        if self.mapped == 0 {
            // SAFETY: exercise 2c has mapped these pages, which are nobody else's.
            unsafe { self.holes.init(ptr::with_exposed_provenance_mut(end as usize), length) };
        } else {
            // SAFETY: as above, right behind what the heap has.
            unsafe { self.holes.extend(length) };
        }
        self.mapped += bytes;
    }
}
