//! From machine frames to our own frames and back.
//!
//! Xen shows every guest a table from machine to pseudo-physical frames, read-only, at the start of its reserved
//! area (`MACH2PHYS_VIRT_START` in `public/arch-x86/xen-x86_64.h`). The other direction is a list in our own memory
//! whose address is in `start_info`. Invariant: an answer is a number that Xen wrote, and is checked by the
//! caller before it is used as an address.

use crate::types::{Mfn, Pfn};

#[cfg(guest)]
const MACHINE_TO_PHYSICAL: *const u64 = 0xffff_8000_0000_0000 as *const u64;

/// Looks up which of our frames this machine frame is. For a frame that isn't ours the answer is any number.
///
/// # Panics
/// By a page fault when no such machine frame exists, Xen's table being only as long as the machine's memory.
#[cfg(guest)]
pub fn machine_to_physical(mfn: Mfn) -> Pfn {
    let entry = MACHINE_TO_PHYSICAL.wrapping_add(mfn.0 as usize);
    // SAFETY: Xen maps the table read-only for every guest; an entry behind its end faults and is reported.
    Pfn(unsafe { entry.read_volatile() })
}

/// There is no such table under a host build.
#[cfg(not(guest))]
pub fn machine_to_physical(mfn: Mfn) -> Pfn {
    Pfn(mfn.0)
}

/// Looks up the machine frame behind one of our frames.
///
/// # Safety
/// `mfn_list` must be the list's address from `start_info`, still mapped, and `pfn` less than `nr_pages`.
pub(super) unsafe fn physical_to_machine(mfn_list: u64, pfn: Pfn) -> Mfn {
    let entry = (mfn_list as *const u64).wrapping_add(pfn.0 as usize);
    // SAFETY: by this function's contract the entry lies in the list.
    Mfn(unsafe { entry.read_volatile() })
}
