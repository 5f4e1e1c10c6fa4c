//! Slabs: pieces of memory that are cut into blocks of one size.
//!
//! A slab is [`SLAB`] bytes, at a multiple of that, so that a block leads to its slab. At its beginning are a list of
//! its free blocks, which goes through the blocks themselves, and a bit for each block that is in use: a block that
//! is freed twice, or was never one, is found out. Slabs with free blocks are in a list for each class.
//!
//! Invariant: a block is in the list of its slab, or its bit is set.

use core::alloc::Layout;
use core::mem::size_of;
use core::ptr;

use console::lock::Lock;

#[cfg(not(test))]
use super::base;
#[cfg(test)]
use super::host_base as base;
use super::{Statistics, classes, watch};

/// Bytes in a slab.
pub const SLAB: usize = 16 * 1024;

const MAGIC: u64 = 0x5374_6172_5f53_6c61;
const BITMAP: usize = SLAB / 16 / 64;

/// What a free block holds: the next one.
pub(super) struct Block {
    pub(super) next: *mut Block,
}

/// The beginning of a slab.
struct Header {
    magic: u64,
    class: usize,
    free: *mut Block,
    used: usize,
    /// The list of slabs with free blocks.
    next: *mut Header,
    previous: *mut Header,
    in_use: [u64; BITMAP],
}

/// The slabs with free blocks, by class.
struct Slabs {
    partial: [*mut Header; classes::CLASSES],
    /// Blocks that were taken one by one, rather than for a cache, and put back.
    allocations: [u64; classes::CLASSES],
    frees: [u64; classes::CLASSES],
}

// SAFETY: the pointers lead to slabs, which belong to whoever holds the lock around them.
unsafe impl Send for Slabs {}

static SLABS: Lock<Slabs> = Lock::new(Slabs {
    partial: [ptr::null_mut(); classes::CLASSES],
    allocations: [0; classes::CLASSES],
    frees: [0; classes::CLASSES],
});

/// Takes a block; null if there is no memory.
pub(super) fn allocate(class: usize) -> *mut u8 {
    let mut slabs = SLABS.lock();
    let block = slabs.allocate(class);
    slabs.allocations[class] += u64::from(!block.is_null());
    block.cast()
}

/// Takes up to `count` blocks as a list. Returns how many there are.
pub(super) fn allocate_many(class: usize, count: usize) -> (*mut Block, usize) {
    let mut slabs = SLABS.lock();
    let mut list = ptr::null_mut();
    for taken in 0..count {
        let block = slabs.allocate(class);
        if block.is_null() {
            return (list, taken);
        }
        // SAFETY: the block is free, and as large as a pointer at least.
        unsafe { block.write(Block { next: list }) };
        list = block;
    }
    (list, count)
}

/// Puts a block back.
///
/// # Safety
/// It must have come from here, and nobody may use it any more.
///
/// # Panics
/// If it isn't in use.
pub(super) unsafe fn free(block: *mut u8) {
    assert_in_use(block);
    let mut slabs = SLABS.lock();
    let class = slabs.free(block.cast());
    slabs.frees[class] += 1;
}

/// Puts a list of blocks back.
///
/// # Safety
/// As [`free`], for each.
pub(super) unsafe fn free_many(mut list: *mut Block) {
    let mut slabs = SLABS.lock();
    while !list.is_null() {
        // SAFETY: the list's blocks are free, and each leads to the next.
        let next = unsafe { list.read() }.next;
        slabs.free(list);
        list = next;
    }
}

/// Adds what went straight through here.
pub(super) fn add_to(sum: &mut Statistics) {
    let slabs = SLABS.lock();
    for class in 0..classes::CLASSES {
        sum.add(classes::size(class), slabs.allocations[class], slabs.frees[class]);
    }
}

/// Looks whether a block is in use.
///
/// # Panics
/// If it isn't, or was never one.
pub(super) fn assert_in_use(block: *mut u8) {
    let (header, word, bit) = locate(block.cast());
    // SAFETY: a block lies in a slab, which is mapped. (An address that is none may fault, which is reported as well.)
    let magic = unsafe { (*header).magic };
    assert!(magic == MAGIC, "{block:p} was freed, but is no block of the heap's");
    // SAFETY: the header is one.
    let in_use = unsafe { (*header).in_use[word] } & bit != 0;
    assert!(in_use, "{block:p} was freed, but is no block in use: was it freed before?");
}

impl Slabs {
    fn allocate(&mut self, class: usize) -> *mut Block {
        let mut header = self.partial[class];
        if header.is_null() {
            header = new_slab(class);
            if header.is_null() {
                return ptr::null_mut();
            }
            self.link(header);
        }
        // SAFETY: a slab in the list is one, has a free block, and is ours while the lock is held.
        let slab = unsafe { &mut *header };
        let block = slab.free;
        // SAFETY: a free block holds the next.
        slab.free = unsafe { block.read() }.next;
        slab.used += 1;
        let (_, word, bit) = locate(block);
        slab.in_use[word] |= bit;
        if slab.free.is_null() {
            self.unlink(header);
        }
        block
    }

    /// Returns the class.
    fn free(&mut self, block: *mut Block) -> usize {
        let (header, word, bit) = locate(block);
        // SAFETY: the block is of this slab, and the slab ours while the lock is held.
        let slab = unsafe { &mut *header };
        assert!(
            slab.magic == MAGIC && slab.in_use[word] & bit != 0,
            "{block:p} was freed, but is no block in use: was it freed before?"
        );
        slab.in_use[word] &= !bit;
        slab.used -= 1;
        let (class, was_full) = (slab.class, slab.free.is_null());
        // SAFETY: the block is free now, and as large as a pointer at least.
        unsafe { block.write(Block { next: slab.free }) };
        slab.free = block;
        let (empty, alone) = (slab.used == 0, slab.next.is_null() && slab.previous.is_null());
        if was_full {
            self.link(header);
        } else if empty && !alone {
            // One empty slab of each class is kept.
            self.unlink(header);
            // SAFETY: nothing in it is in use, and no list leads to it any more.
            unsafe { base::free(header.cast(), LAYOUT) };
        }
        class
    }

    fn link(&mut self, header: *mut Header) {
        // SAFETY: the slab is ours while the lock is held.
        let slab = unsafe { &mut *header };
        slab.next = self.partial[slab.class];
        slab.previous = ptr::null_mut();
        if !slab.next.is_null() {
            // SAFETY: as above, and it is another one.
            unsafe { (*slab.next).previous = header };
        }
        self.partial[slab.class] = header;
    }

    fn unlink(&mut self, header: *mut Header) {
        // SAFETY: the slab is ours while the lock is held.
        let slab = unsafe { &mut *header };
        let (next, previous) = (slab.next, slab.previous);
        (slab.next, slab.previous) = (ptr::null_mut(), ptr::null_mut());
        if previous.is_null() {
            self.partial[slab.class] = next;
        } else {
            // SAFETY: as above, and it is another one.
            unsafe { (*previous).next = next };
        }
        if !next.is_null() {
            // SAFETY: as above, and it is another one.
            unsafe { (*next).previous = previous };
        }
    }
}

const LAYOUT: Layout = match Layout::from_size_align(SLAB, SLAB) {
    Ok(layout) => layout,
    Err(_) => panic!("the size of a slab is no power of two"),
};

/// The slab of a block, and where its bit is.
fn locate(block: *mut Block) -> (*mut Header, usize, u64) {
    let number = block.addr() % SLAB / 16;
    (block.map_addr(|address| address & !(SLAB - 1)).cast(), number / 64, 1 << (number % 64))
}

/// A slab whose blocks are all free; null if there is no memory.
fn new_slab(class: usize) -> *mut Header {
    let start = base::allocate(LAYOUT);
    if start.is_null() {
        return ptr::null_mut();
    }
    let size = classes::size(class);
    let first = size_of::<Header>().next_multiple_of(classes::alignment(class));
    let mut free = ptr::null_mut();
    // SAFETY: the whole slab is new.
    unsafe { watch::fill(start, SLAB, watch::FREED) };
    for number in (0..(SLAB - first) / size).rev() {
        let block = start.wrapping_add(first + number * size).cast::<Block>();
        // SAFETY: the block is within the new slab, and aligned.
        unsafe { block.write(Block { next: free }) };
        free = block;
    }
    let header = start.cast::<Header>();
    let (next, previous) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the slab begins here, is aligned, and nobody else has it.
    unsafe { header.write(Header { magic: MAGIC, class, free, used: 0, next, previous, in_use: [0; BITMAP] }) };
    header
}
