//! From our own frame numbers to the machine's and back.
//!
//! Two tables translate (Xen's `public/xen.h` and `public/arch-x86/xen-x86_64.h`): our P2M list, whose address is in
//! `start_info`, and Xen's M2P table, which shows one number for each frame of the machine, whoever has it.
//! Invariant: an answer is a pair on which both tables agree, so a foreign frame is never taken for ours.

use core::sync::atomic::{AtomicU64, Ordering};

use console::boot_info::StartInfo;
use console::types::{Mfn, Pfn};
use console::xen::{hypercall, number};

pub use crate::live_tables::address_to_machine;

static P2M: AtomicU64 = AtomicU64::new(0);
static PAGES: AtomicU64 = AtomicU64::new(0);
static MACHINE_PAGES: AtomicU64 = AtomicU64::new(0);

/// Learns where the P2M list is.
pub(crate) fn start(start_info: &StartInfo<'_>) {
    const XENMEM_MAXIMUM_RAM_PAGE: u64 = 2;
    P2M.store(start_info.mfn_list, Ordering::Relaxed);
    PAGES.store(start_info.nr_pages, Ordering::Relaxed);
    // SAFETY: this sub-operation takes no pointer and changes nothing.
    let last = unsafe { hypercall(number::MEMORY_OP, [XENMEM_MAXIMUM_RAM_PAGE, 0, 0, 0]) };
    MACHINE_PAGES.store(last.map_or(0, |last| last + 1), Ordering::Release);
}

/// How many frames we have.
pub fn pages() -> u64 {
    PAGES.load(Ordering::Relaxed)
}

/// Says which machine frame is behind one of ours from now on, or that there is none.
///
/// # Panics
/// For a number that we have no frame for.
pub(crate) fn set_machine_frame(pfn: Pfn, mfn: Option<Mfn>) {
    assert!(pfn.0 < pages(), "there is no {pfn:?}");
    let list = P2M.load(Ordering::Relaxed) as *mut u64;
    let entry = mfn.map_or(INVALID, |mfn| mfn.0);
    // SAFETY: as in `pfn_to_mfn`; the builder mapped the list for writing.
    unsafe { list.wrapping_add(pfn.0 as usize).write_volatile(entry) };
}

/// What the P2M list holds where there is no machine frame.
const INVALID: u64 = u64::MAX;

// ANCHOR: translate
/// The machine frame behind one of our frames; `None` for a number that we have no frame for.
pub fn pfn_to_mfn(pfn: Pfn) -> Option<Mfn> {
    if pfn.0 >= pages() {
        return None;
    }
    let list = P2M.load(Ordering::Relaxed) as *const u64;
    // SAFETY: the builder mapped a list with an entry for each of our frames, and it stays mapped.
    let mfn = unsafe { list.wrapping_add(pfn.0 as usize).read_volatile() };
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
