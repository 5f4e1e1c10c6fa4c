//! Where things are in the address space.
//!
//! Follows `public/arch-x86/xen-x86_64.h`: a guest has the level-4 entries 0 to 255 and 272 to 511, Xen those between.
//! Invariant: each region below has level-4 entries of its own, so that no page table serves two of them.

use core::ops::Range;

use console::types::{PAGE_SIZE, Pfn};

/// Bytes that one entry of the level-4 table spans.
const SPAN: u64 = 1 << 39;

/// What Xen keeps for itself.
pub const XEN: Range<u64> = 0xffff_8000_0000_0000..0xffff_8800_0000_0000;

/// All memory, in the order of its pfns; see [`direct_map`].
pub const DIRECT_MAP: Range<u64> = region(272);

/// Where an [`Area`](crate::area::Area) maps what it is told to.
pub const AREA: Range<u64> = region(288);

/// Where kernel stacks are, each with a guard page below.
pub const STACKS: Range<u64> = region(304);

/// The heap, which grows from its beginning on.
pub const HEAP: Range<u64> = region(320);

const fn region(slot: u64) -> Range<u64> {
    let start = 0xffff_0000_0000_0000 + slot * SPAN;
    start..start + SPAN
}

/// Where the direct map shows a frame.
///
/// Frames that were never handed out may not be mapped there yet. What is below the first free frame (the image, the
/// P2M list) can be read there, but not written.
#[inline]
pub const fn direct_map(pfn: Pfn) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut((DIRECT_MAP.start + pfn.0 * PAGE_SIZE as u64) as usize)
}

/// The frame that the direct map shows at an address; `None` for one outside of it.
pub fn direct_map_pfn(address: u64) -> Option<Pfn> {
    DIRECT_MAP.contains(&address).then(|| Pfn((address - DIRECT_MAP.start) / PAGE_SIZE as u64))
}

/// Whether a guest may map pages at all of these addresses: they are canonical and not Xen's.
pub const fn is_ours(range: &Range<u64>) -> bool {
    const LOW_END: u64 = 1 << 47;
    range.start <= range.end && (range.end <= LOW_END || range.start >= XEN.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regions_are_where_a_guest_may_have_them() {
        assert_eq!(DIRECT_MAP.start, XEN.end);
        for range in [DIRECT_MAP, AREA, STACKS, HEAP] {
            assert!(is_ours(&range) && range.start.is_multiple_of(SPAN));
        }
        assert!(!is_ours(&(0x7fff_ffff_f000..0x8000_0000_1000)));
        assert!(!is_ours(&(XEN.start..XEN.start + 4096)));
        assert_eq!(direct_map_pfn(DIRECT_MAP.start + 0x5fff), Some(Pfn(5)));
    }
}
