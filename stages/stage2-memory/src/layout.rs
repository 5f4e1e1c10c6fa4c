//! Where things are in the address space.
//!
//! Follows `public/arch-x86/xen-x86_64.h`: a guest has the level-4 entries 0 to 255 and 272 to 511, Xen those between.
//! All of ours is behind the last entry, where the boot mapping is, too: so the table of level 3 that Xen's builder made serves
//! everything, and a guest begins with few tables. Invariant: each region has level-3 entries of its own, so that no table of
//! level 2 or 1 serves two of them.

use core::ops::Range;

use console::types::{PAGE_SIZE, Pfn};

/// Bytes that one entry of a table of level 3 spans.
const SPAN: u64 = 1 << 30;

/// What Xen keeps for itself.
pub const XEN: Range<u64> = 0xffff_8000_0000_0000..0xffff_8800_0000_0000;

/// All memory, as far as 256 GiB, in the order of its pfns; see [`direct_map`].
pub const DIRECT_MAP: Range<u64> = region(0, 256);

/// Where an [`Area`](crate::area::Area) maps what it is told to.
pub const AREA: Range<u64> = region(256, 64);

/// Where kernel stacks are, each with a guard page below.
pub const STACKS: Range<u64> = region(320, 64);

/// The heap, which grows from its beginning on.
pub const HEAP: Range<u64> = region(384, 64);

/// What `count` entries of level 3 span, from number `first` on.
const fn region(first: u64, count: u64) -> Range<u64> {
    let start = 0xffff_ff80_0000_0000 + first * SPAN;
    start..start + count * SPAN
}

/// Where the direct map shows a frame.
///
/// Frames that were never handed out may not be mapped there yet. The image's text and constants are not, or can only be read;
/// tables can only be read.
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
        let mut last = XEN.end;
        for range in [DIRECT_MAP, AREA, STACKS, HEAP] {
            assert!(is_ours(&range) && last <= range.start && range.start.is_multiple_of(SPAN));
            last = range.end;
        }
        assert!(last <= console::types::VIRT_BASE);
        assert!(!is_ours(&(0x7fff_ffff_f000..0x8000_0000_1000)));
        assert!(!is_ours(&(XEN.start..XEN.start + 4096)));
        assert_eq!(direct_map_pfn(DIRECT_MAP.start + 0x5fff), Some(Pfn(5)));
    }
}
