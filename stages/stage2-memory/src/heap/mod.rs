//! The heap: what `Box`, `Vec` and the rest of `alloc` get their memory from.
//!
//! Three layers, each with one job:
//!
//! - [`cache`]: blocks of the usual sizes that this vCPU has at hand, taken and put back without a lock;
//! - [`slab`]: pieces of memory cut into blocks of one size, behind a lock; the caches take from them many at once;
//! - [`base`]: any size, by `linked_list_allocator`, in a range of addresses that grows by exercise 2c.
//!
//! Sizes above [`classes::LARGEST`] go to the base at once.
//!
//! Invariants: a block has one owner; an allocation that can't be made is an error, for which nothing was changed.
//! While the heap is *watched* (`heap=watch` on a guest's command line, and in tests on the host), freed memory is filled and
//! looked at again before its next use, and each block that is freed must be one that is in use. No guest is built with debug
//! assertions: what is checked is what is shipped, caches included.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use console::bedrock::cpu;
use console::bedrock::cpu::Cpu;
use console::options::{Key, Values};

#[cfg_attr(test, allow(dead_code, reason = "tests have a base of their own"))]
pub mod base;
pub mod cache;
pub mod classes;
#[cfg(test)]
mod host_base;
pub mod slab;
#[cfg(test)]
mod tests;
mod watch;

/// What has a guest's heap watched.
pub const KEY: Key = Key { name: "heap", values: Values::OneOf(&["watch"]) };

/// The allocator of the whole kernel.
pub struct Heap;

#[cfg(guest)]
#[global_allocator]
static HEAP: Heap = Heap;

static WATCHED: AtomicBool = AtomicBool::new(cfg!(debug_assertions));

/// Has the heap look for mistakes of those who use it. Call it before anything is allocated.
pub(crate) fn watch() {
    WATCHED.store(true, Ordering::Relaxed);
}

/// Whether the heap looks for mistakes.
#[inline]
pub fn is_watched() -> bool {
    WATCHED.load(Ordering::Relaxed)
}

// SAFETY: each layer hands out memory that it owns and nobody else has, of the size and alignment asked for.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match classes::of(layout) {
            Some(class) if !is_watched() => cache::allocate(class),
            class => allocate_slowly(class, layout),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match classes::of(layout) {
            // SAFETY: by the caller's promise, the block came from here, with this layout.
            Some(class) if !is_watched() => unsafe { cache::free(class, block) },
            // SAFETY: as above.
            class => unsafe { free_slowly(class, block, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size, rounded up to the alignment, is within isize.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // A block of the same class is large enough already.
        if classes::of(layout).is_some_and(|class| classes::of(new) == Some(class)) {
            return block;
        }
        // SAFETY: the new layout is not empty, by the caller's promise.
        let moved = unsafe { self.alloc(new) };
        if !moved.is_null() {
            // SAFETY: both are at least this long, and the new one is nobody else's.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(size)) };
            // SAFETY: by the caller's promise.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

/// Takes a block that is watched, or large. Out of line, so that the usual way needs few registers.
#[cold]
#[inline(never)]
fn allocate_slowly(class: Option<usize>, layout: Layout) -> *mut u8 {
    match class {
        Some(class) => watch::taken(slab::allocate(class), classes::size(class)),
        None => {
            let block = base::allocate_counted(layout);
            // SAFETY: the block is new, and so long.
            unsafe { watch::fill(block, layout.size(), watch::NEW) };
            block
        }
    }
}

/// Gives such a block back.
///
/// # Safety
/// As [`GlobalAlloc::dealloc`].
#[cold]
#[inline(never)]
unsafe fn free_slowly(class: Option<usize>, block: *mut u8, layout: Layout) {
    match class {
        Some(class) => {
            slab::assert_in_use(block);
            // SAFETY: by the caller's promise, it is so long, and in use.
            unsafe { watch::fill(block, classes::size(class), watch::FREED) };
            // SAFETY: as above.
            unsafe { slab::free(block) };
        }
        None => {
            // SAFETY: as above.
            unsafe { watch::fill(block, layout.size(), watch::FREED) };
            // SAFETY: as above.
            unsafe { base::free_counted(block, layout) };
        }
    }
}

/// What the heap holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes that are in use, rounded up as the heap rounds them.
    pub used: u64,
    /// Bytes that the heap has taken from the frame allocator.
    pub mapped: u64,
    /// Allocations since the beginning.
    pub allocations: u64,
    /// How many of them have been freed.
    pub frees: u64,
    /// Allocations that could not be made.
    pub failures: u64,
}

impl Statistics {
    /// Adds blocks of one size.
    fn add(&mut self, size: usize, allocations: u64, frees: u64) {
        self.allocations = self.allocations.wrapping_add(allocations);
        self.frees = self.frees.wrapping_add(frees);
        // A block may be freed by another vCPU than it was taken by: only the sum makes sense.
        self.used = self.used.wrapping_add(allocations.wrapping_sub(frees).wrapping_mul(size as u64));
    }
}

/// Counts what is in use. While other vCPUs allocate, the numbers are those of no single moment.
pub fn statistics() -> Statistics {
    let mut sum = base::statistics();
    slab::add_to(&mut sum);
    cache::for_each(|cache| cache.add_to(&mut sum));
    sum
}

/// Gives a vCPU a cache. Until then it shares the slabs.
///
/// Stage 4 calls this for each vCPU that it brings up, before that runs.
pub fn add_cpu(cpu: &'static Cpu) {
    cache::install(cpu);
}

/// Brings up the heap, once there are frames.
pub(crate) fn start(watched: bool) {
    if watched {
        watch();
    }
    base::start();
    cache::install(cpu::current());
}
