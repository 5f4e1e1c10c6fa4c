//! What one vCPU has at hand: for each class a list of free blocks.
//!
//! Taking one is a few instructions with events masked, and no lock: nobody else touches the lists of this vCPU. An
//! empty list is filled from the slabs, a list that is too long goes back to them by half. [`Slot::Memory`] of the
//! vCPU's block leads here.
//!
//! Invariant: a cache is used on its own vCPU only, with events masked.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use console::bedrock::cpu::{self, Cpu, Slot};

use super::Statistics;
#[cfg(not(test))]
use super::base;
use super::classes::{self, CLASSES};
#[cfg(test)]
use super::host_base as base;
use super::slab::{self, Block};

/// Bytes that a list may hold, and blocks.
const MOST_BYTES: usize = 16 * 1024;
const MOST_BLOCKS: usize = 64;

/// The cache of one vCPU.
pub struct Cache {
    lists: [UnsafeCell<List>; CLASSES],
    /// All caches are in a list, for the statistics.
    next: *const Cache,
}

struct List {
    first: *mut Block,
    count: usize,
    /// Since the beginning.
    allocations: AtomicU64,
    frees: AtomicU64,
}

// SAFETY: only the vCPU that has a cache uses its lists; others read the counters, which are atomic.
unsafe impl Sync for Cache {}

static FIRST: AtomicPtr<Cache> = AtomicPtr::new(ptr::null_mut());

/// Blocks that a list of each class may hold.
static MOST: [usize; CLASSES] = {
    let mut most = [4; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        let blocks = MOST_BYTES / classes::size(class);
        if blocks > most[class] {
            most[class] = if blocks < MOST_BLOCKS { blocks } else { MOST_BLOCKS };
        }
        class += 1;
    }
    most
};

#[inline]
fn most(class: usize) -> usize {
    MOST[class]
}

// ANCHOR: allocate
/// Takes a block; null if there is no memory.
#[inline]
pub(super) fn allocate(class: usize) -> *mut u8 {
    let masked = cpu::mask_events();
    let block = match mine() {
        Some(cache) => {
            // SAFETY: events are masked, so this vCPU is the only user of its lists.
            let list = unsafe { &mut *cache.lists[class].get() };
            if list.first.is_null() {
                list.fill(class);
            }
            list.take()
        }
        None => slab::allocate(class).cast(),
    };
    cpu::restore_events(masked);
    block.cast()
}
// ANCHOR_END: allocate

/// Puts a block back.
///
/// # Safety
/// It must have come from [`allocate`] with this class, on whichever vCPU, and nobody may use it any more.
#[inline]
pub(super) unsafe fn free(class: usize, block: *mut u8) {
    let masked = cpu::mask_events();
    match mine() {
        Some(cache) => {
            // SAFETY: events are masked, so this vCPU is the only user of its lists.
            let list = unsafe { &mut *cache.lists[class].get() };
            list.put(block.cast());
            if list.count > most(class) {
                list.give_back(most(class) / 2);
            }
        }
        // SAFETY: by this function's contract.
        None => unsafe { slab::free(block) },
    }
    cpu::restore_events(masked);
}

impl List {
    #[inline]
    fn take(&mut self) -> *mut Block {
        let block = self.first;
        if !block.is_null() {
            // SAFETY: a block in the list holds the next one.
            self.first = unsafe { block.read() }.next;
            self.count -= 1;
            add(&self.allocations);
        }
        block
    }

    #[inline]
    fn put(&mut self, block: *mut Block) {
        // SAFETY: nobody uses the block, and it is as large as a pointer at least.
        unsafe { block.write(Block { next: self.first }) };
        self.first = block;
        self.count += 1;
        add(&self.frees);
    }

    #[cold]
    fn fill(&mut self, class: usize) {
        (self.first, self.count) = slab::allocate_many(class, (most(class) / 2).max(1));
    }

    /// Gives all but `keep` blocks back: those that were freed longest ago.
    #[cold]
    fn give_back(&mut self, keep: usize) {
        let mut last = self.first;
        for _ in 1..keep {
            // SAFETY: the list is longer than `keep`, and each block holds the next.
            last = unsafe { last.read() }.next;
        }
        // SAFETY: the last block that stays is in the list.
        let rest = unsafe { last.replace(Block { next: ptr::null_mut() }) }.next;
        self.count = keep;
        // SAFETY: nobody uses what is in the list, and it is no longer in it.
        unsafe { slab::free_many(rest) };
    }
}

/// Adds one to a counter that only this vCPU changes: cheaper than an atomic addition.
#[inline]
fn add(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// The cache of this vCPU, if it has one. Events must be masked.
#[inline]
fn mine() -> Option<&'static Cache> {
    let address = cpu::current().slot(Slot::Memory).load(Ordering::Relaxed);
    // SAFETY: the slot is 0 or was set by `install`, to a cache that stays for ever.
    unsafe { ptr::with_exposed_provenance::<Cache>(address as usize).as_ref() }
}

impl Cache {
    /// Adds what went through this cache.
    pub(super) fn add_to(&self, sum: &mut Statistics) {
        for class in 0..CLASSES {
            let list = self.lists[class].get();
            // SAFETY: the counters are atomic, whoever uses the rest meanwhile.
            let allocations = unsafe { &(*list).allocations }.load(Ordering::Relaxed);
            // SAFETY: as above.
            let frees = unsafe { &(*list).frees }.load(Ordering::Relaxed);
            sum.add(classes::size(class), allocations, frees);
        }
    }
}

/// Calls `each` with every cache.
pub(super) fn for_each(mut each: impl FnMut(&Cache)) {
    // SAFETY: the pointers are null or lead to caches, which stay for ever.
    let mut next = unsafe { FIRST.load(Ordering::Acquire).as_ref() };
    while let Some(cache) = next {
        each(cache);
        // SAFETY: as above.
        next = unsafe { cache.next.as_ref() };
    }
}

/// Gives a vCPU a cache, if it has none and there is memory for one.
pub(super) fn install(cpu: &'static Cpu) {
    let slot = cpu.slot(Slot::Memory);
    if slot.load(Ordering::Relaxed) != 0 {
        return;
    }
    let cache = base::allocate(core::alloc::Layout::new::<Cache>()).cast::<Cache>();
    if cache.is_null() {
        return;
    }
    let list = |_| {
        let (allocations, frees) = (AtomicU64::new(0), AtomicU64::new(0));
        UnsafeCell::new(List { first: ptr::null_mut(), count: 0, allocations, frees })
    };
    let mut next = FIRST.load(Ordering::Relaxed);
    loop {
        // SAFETY: the memory is ours, and large and aligned enough.
        unsafe { cache.write(Cache { lists: core::array::from_fn(list), next }) };
        match FIRST.compare_exchange(next, cache, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => break,
            Err(other) => next = other,
        }
    }
    slot.store(cache.expose_provenance() as u64, Ordering::Release);
}
