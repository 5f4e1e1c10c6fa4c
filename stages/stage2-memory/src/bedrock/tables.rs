//! The live page tables, read without any exercise's help.
//!
//! Four levels of tables with 512 entries each (level 4 is the root) lead from an address to a frame. Every table is
//! in our own memory and mapped read-only: by the boot mapping at first, then by the direct map. Invariant: what is
//! read is a table that Xen has validated, or nothing.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use console::boot_info::StartInfo;
use console::types::{Mfn, PAGE_SIZE, Pfn, VIRT_BASE};

use crate::entry::Entry;
use crate::layout::direct_map;
use crate::translate::{mfn_to_pfn, pfn_to_mfn};

/// Bits of an address that a level's index takes.
const INDEX_BITS: u32 = 9;

static ROOT: AtomicU64 = AtomicU64::new(0);
static DIRECT_MAP_IS_THERE: AtomicBool = AtomicBool::new(false);

/// Learns which table is the root.
pub(super) fn start(start_info: &StartInfo<'_>) {
    let pfn = Pfn((start_info.pt_base - VIRT_BASE) / PAGE_SIZE as u64);
    if let Some(root) = pfn_to_mfn(pfn) {
        ROOT.store(root.0, Ordering::Relaxed);
    }
}

/// From here on the direct map shows the tables.
pub(super) fn use_direct_map() {
    DIRECT_MAP_IS_THERE.store(true, Ordering::Release);
}

/// The table of level 4.
pub(crate) fn root() -> Mfn {
    Mfn(ROOT.load(Ordering::Relaxed))
}

/// Reads an entry. Of a frame that isn't ours, every entry is empty.
///
/// `table` must be one that the root leads to, or that is about to be hooked: any other may not be mapped.
pub(crate) fn entry(table: Mfn, index: usize) -> Entry {
    assert!(index < 512, "a page table has no entry {index}");
    let Some(pfn) = mfn_to_pfn(table) else { return Entry::EMPTY };
    let start = match DIRECT_MAP_IS_THERE.load(Ordering::Acquire) {
        true => direct_map(pfn).cast_const().cast::<u64>(),
        false => core::ptr::with_exposed_provenance(pfn.boot_address() as usize),
    };
    // SAFETY: the frame is ours and, as a table, mapped; the index is within it.
    Entry::from_bits(unsafe { start.wrapping_add(index).read_volatile() })
}

/// The index of an address in the table of this level, 1 to 4.
pub(crate) fn index(address: u64, level: u32) -> usize {
    (address >> (12 + (level - 1) * INDEX_BITS)) as usize % 512
}

/// The table of this level, 1 to 4, that an address's translation goes through.
pub(crate) fn table(address: u64, level: u32) -> Option<Mfn> {
    (level..4).rev().try_fold(root(), |table, above| {
        let entry = entry(table, index(address, above + 1));
        entry.is_present().then_some(entry.frame())
    })
}

/// The entry that maps an address, if one does.
pub(crate) fn lookup(address: u64) -> Option<Entry> {
    let entry = entry(table(address, 1)?, index(address, 1));
    entry.is_present().then_some(entry)
}
