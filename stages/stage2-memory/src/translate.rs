//! From our own frame numbers to the machine's and back.
//!
//! Two tables translate (Xen's `public/xen.h` and `public/arch-x86/xen-x86_64.h`): our P2M list, whose address is in
//! `start_info`, and Xen's M2P table, which shows one number for each frame of the machine, whoever has it.
//! The list that the builder made ends with the frames that the domain began with. Where it may have more later (`maxmem`), a second list
//! goes on from there; see [`reservation::extend`](crate::reservation::extend).
//!
//! Invariant: an answer is a pair on which both tables agree, so a foreign frame is never taken for ours.

use core::sync::atomic::{AtomicU64, Ordering};

use console::boot_info::StartInfo;
use console::types::{Mfn, Pfn};
use console::xen::{hypercall, number};

pub use crate::live_tables::address_to_machine;

static P2M: AtomicU64 = AtomicU64::new(0);
/// Where the second list is, once there is one.
static MORE: AtomicU64 = AtomicU64::new(0);
/// How many frames the domain began with.
static FIRST: AtomicU64 = AtomicU64::new(0);
static PAGES: AtomicU64 = AtomicU64::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(0);
static MACHINE_PAGES: AtomicU64 = AtomicU64::new(0);

/// Learns where the P2M list is.
pub(crate) fn start(start_info: &StartInfo<'_>) {
    const XENMEM_MAXIMUM_RAM_PAGE: u64 = 2;
    P2M.store(start_info.mfn_list, Ordering::Relaxed);
    let first = start_info.nr_pages;
    FIRST.store(first, Ordering::Relaxed);
    PAGES.store(first, Ordering::Relaxed);
    // What is known of frames takes memory, also of those that never come: not much of what there is, whatever the configuration says.
    LIMIT.store(memory_map_end().clamp(first, first * 64), Ordering::Relaxed);
    // SAFETY: this sub-operation takes no pointer and changes nothing.
    let last = unsafe { hypercall(number::MEMORY_OP, [XENMEM_MAXIMUM_RAM_PAGE, 0, 0, 0]) };
    MACHINE_PAGES.store(last.map_or(0, |last| last + 1), Ordering::Release);
}

/// How many of our frames have numbers, whether there is memory behind them or not: those that we began with, and those that came
/// later.
pub fn pages() -> u64 {
    PAGES.load(Ordering::Acquire)
}

/// How many frames we began with.
pub fn first_pages() -> u64 {
    FIRST.load(Ordering::Relaxed)
}

/// How many frames we may have at most (`maxmem` in the domain's configuration), or what can be kept account of.
pub fn limit() -> u64 {
    LIMIT.load(Ordering::Relaxed)
}

/// The number of frames up to which Xen's memory map has memory for us; 0 if it doesn't tell.
fn memory_map_end() -> u64 {
    const XENMEM_MEMORY_MAP: u64 = 9;
    const RAM: u32 = 1;
    /// `struct e820entry`: address, bytes and kind.
    #[repr(C, packed)]
    #[derive(Clone, Copy)]
    struct Entry(u64, u64, u32);
    /// `struct xen_memory_map`
    #[repr(C)]
    struct Map {
        count: u32,
        entries: u64,
    }
    let mut entries = [Entry(0, 0, 0); 16];
    let mut map = Map { count: entries.len() as u32, entries: entries.as_mut_ptr().expose_provenance() as u64 };
    let at = (&raw mut map).expose_provenance() as u64;
    // SAFETY: laid out as Xen's, which writes the count, and entries as long as there is room.
    let told = unsafe { hypercall(number::MEMORY_OP, [XENMEM_MEMORY_MAP, at, 0, 0]) };
    let count = told.map_or(0, |_| map.count as usize);
    let ends = entries.iter().take(count).filter(|entry| { entry.2 } == RAM);
    let end = ends.map(|entry| { entry.0 }.saturating_add(entry.1)).max().unwrap_or(0);
    end / console::types::PAGE_SIZE as u64
}

/// Has a second list go on where the first one ends.
pub(crate) fn set_more(list: *mut u64) {
    MORE.store(list.expose_provenance() as u64, Ordering::Release);
}

/// Gives numbers to more frames, for which there are entries that say that nothing is behind them.
pub(crate) fn set_pages(pages: u64) {
    PAGES.store(pages, Ordering::Release);
}

/// The entry of one of our frames.
fn entry(pfn: Pfn) -> *mut u64 {
    match pfn.0.checked_sub(first_pages()) {
        None => (P2M.load(Ordering::Relaxed) as *mut u64).wrapping_add(pfn.0 as usize),
        Some(behind) => (MORE.load(Ordering::Acquire) as *mut u64).wrapping_add(behind as usize),
    }
}

/// Says which machine frame is behind one of ours from now on, or that there is none.
///
/// # Panics
/// For a number that we have no frame for.
pub(crate) fn set_machine_frame(pfn: Pfn, mfn: Option<Mfn>) {
    assert!(pfn.0 < pages(), "there is no {pfn:?}");
    // SAFETY: as in `pfn_to_mfn`; both lists are mapped for writing.
    unsafe { entry(pfn).write_volatile(mfn.map_or(INVALID, |mfn| mfn.0)) };
}

/// What the P2M list holds where there is no machine frame.
pub(crate) const INVALID: u64 = u64::MAX;

// ANCHOR: translate
/// The machine frame behind one of our frames; `None` for a number that we have no frame for.
pub fn pfn_to_mfn(pfn: Pfn) -> Option<Mfn> {
    if pfn.0 >= pages() {
        return None;
    }
    // SAFETY: there is an entry for each of our frames, in the builder's list or behind it, and both stay mapped.
    let mfn = unsafe { entry(pfn).read_volatile() };
    (mfn != INVALID).then_some(Mfn(mfn))
}

/// Which of our frames a machine frame is; `None` for one that isn't ours.
pub fn mfn_to_pfn(mfn: Mfn) -> Option<Pfn> {
    // Xen's table is only as long as the machine's memory.
    if mfn.0 >= MACHINE_PAGES.load(Ordering::Acquire) {
        return None;
    }
    let pfn = console::bedrock::machine_to_physical(mfn);
    (pfn_to_mfn(pfn) == Some(mfn)).then_some(pfn)
}
// ANCHOR_END: translate
