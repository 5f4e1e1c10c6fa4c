//! The page that Xen shares with the domain: which ports are pending, which are masked, and what time it was.
//!
//! Follows `struct shared_info` in Xen's `public/xen.h`:
//!
//! | offset | field |
//! |---|---|
//! | 0x800 | `evtchn_pending`, 64 words: bit n of word w is port 64 w + n |
//! | 0xa00 | `evtchn_mask`, the same for masks |
//! | 0xc00 | `wc_version`, `wc_sec`, `wc_nsec`, `wc_sec_hi`: u32 each |
//!
//! Invariant: the page is never borrowed. Xen and all vCPUs change it at any time, so each access is one atomic
//! operation on one word of it.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use console::Errno;
use console::types::{MachineAddress, PAGE_SIZE};

use crate::pending::WORDS;
use crate::xen;

const PENDING: usize = 0x800;
const MASK: usize = 0xa00;
const WALL_CLOCK: usize = 0xc00;

/// A page of the image, whose place the shared page takes.
#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; PAGE_SIZE]>);

// SAFETY: it is accessed by atomic operations only.
unsafe impl Sync for Page {}

static PAGE: Page = Page(UnsafeCell::new([0; PAGE_SIZE]));

// ANCHOR: map
/// Maps the shared page, and masks all ports: a new domain has all of them unmasked.
///
/// # Errors
/// If Xen refuses the mapping.
pub(crate) fn map(address: MachineAddress) -> Result<(), Errno> {
    const PRESENT: u64 = 1 << 0;
    const WRITABLE: u64 = 1 << 1;
    const ACCESSED: u64 = 1 << 5;
    const DIRTY: u64 = 1 << 6;
    const NO_EXECUTE: u64 = 1 << 63;
    let entry = address.0 | PRESENT | WRITABLE | ACCESSED | DIRTY | NO_EXECUTE;
    // SAFETY: the page is this file's own, and holds nothing yet.
    unsafe { xen::update_mapping(range().start, entry) }?;
    for word in 0..WORDS {
        mask(word).store(u64::MAX, Ordering::Relaxed);
    }
    Ok(())
}
// ANCHOR_END: map

/// Where the page is mapped.
pub fn range() -> core::ops::Range<u64> {
    let start = PAGE.0.get().addr() as u64;
    start..start + PAGE_SIZE as u64
}

/// A word of pending bits.
pub(crate) fn pending(word: usize) -> &'static AtomicU64 {
    port_word(PENDING, word)
}

/// A word of mask bits.
pub(crate) fn mask(word: usize) -> &'static AtomicU64 {
    port_word(MASK, word)
}

/// `wc_version`, `wc_sec`, `wc_nsec` and `wc_sec_hi`.
pub(crate) fn wall_clock() -> &'static [AtomicU32; 4] {
    // SAFETY: aligned, within the page, which stays; all access is atomic.
    unsafe { &*PAGE.0.get().cast::<u8>().wrapping_add(WALL_CLOCK).cast() }
}

fn port_word(offset: usize, word: usize) -> &'static AtomicU64 {
    assert!(word < WORDS, "there is no word {word} of ports");
    // SAFETY: aligned, within the page, which stays; all access is atomic.
    unsafe { AtomicU64::from_ptr(PAGE.0.get().cast::<u8>().wrapping_add(offset + 8 * word).cast()) }
}
