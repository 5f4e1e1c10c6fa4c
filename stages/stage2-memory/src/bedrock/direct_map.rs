//! The direct map: all memory at one place, in the order of its pfns.
//!
//! Xen's builder maps little more than the image. The rest is ours but can't be touched until page tables show it,
//! and a page table is itself a page of memory that somebody must have filled. The first are the builder's, which stage 1
//! has kept: Xen has looked at them already. [`start`] fills what is missing through the boot mapping; every later one lies
//! in memory that the direct map shows already. So a table costs no hypercall but the one that hooks it: one for each 2 MiB.
//!
//! Memory is mapped on first use, in pieces of 2 MiB, from the lowest frame upwards; [`DirectMap::grow`] does one.
//!
//! Invariants, which Xen insists on: a frame that becomes a table is mapped read-only wherever it is mapped, before
//! it is hooked. Ours: what is free has its place in the direct map, and no other but in tables that the boot mapping shares
//! with it; of the image the direct map has only the variables; nothing in it is executable.

use console::boot_info::StartInfo;
use console::types::{Mfn, Pfn};

use super::builders::Builders;
use super::tables;
use crate::entry::{Access, Entry, Flags, TABLE};
use crate::layout::{DIRECT_MAP, direct_map};
use crate::mmu::{self, Request};
use crate::translate::{pages, pfn_to_mfn};

/// Frames that one table of level 1 maps: 2 MiB.
pub(crate) const PIECE: u64 = 512;

/// How far the direct map reaches.
pub(crate) struct DirectMap {
    /// The first frame that has no place there yet: a multiple of [`PIECE`].
    mapped: u64,
}

// ANCHOR: start
/// Builds the direct map of the first memory: at least what is reserved, the tables, and `extra` frames.
///
/// Returns it with the first frame that is free.
///
/// # Panics
/// If Xen refuses: then memory isn't laid out as this code believes.
pub(crate) fn start(start_info: &StartInfo<'_>, extra: u64) -> (DirectMap, Pfn) {
    tables::start(start_info);
    let builders = Builders::of(start_info);
    let reserved = builders.end;

    // A table of level 2, and of level 1 what the builder's don't reach.
    let mut pieces = builders.pieces.max(1);
    while pieces * PIECE < reserved + 1 + (pieces - builders.pieces) + extra {
        pieces += 1;
    }
    let level2 = Pfn(reserved);
    let level1 = |piece| match piece < builders.pieces {
        true => builders.table(piece),
        false => Pfn(reserved + 1 + piece - builders.pieces),
    };
    let free = reserved + 1 + (pieces - builders.pieces);
    let map = DirectMap { mapped: pieces * PIECE };
    let boot_mapped = console::bedrock::boot_mapped();
    assert!(
        free <= boot_mapped && free < map.mapped.min(pages()) && pieces <= 512,
        "there is too little memory to begin with"
    );

    for piece in builders.pieces..pieces {
        fill(boot_view(level1(piece)), |index| {
            let pfn = Pfn(piece * PIECE + index as u64);
            page_entry(pfn, if pfn.0 < free { Access::Read } else { Access::ReadWrite })
        });
    }
    fill(boot_view(level2), |index| match index < pieces as usize {
        true => Entry::new(machine(level1(index as u64)), TABLE | Flags::NO_EXECUTE),
        false => Entry::EMPTY,
    });
    builders.narrow(reserved..free);
    builders.unmap_boot_view(reserved..boot_mapped);

    let hook = tables::table(DIRECT_MAP.start, 3)
        .map(|level3| Request::new(level3, tables::index(DIRECT_MAP.start, 3), table_entry(level2)));
    // SAFETY: the new tables show memory at addresses that were not mapped.
    let hooked = hook.map(|hook| unsafe { mmu::update(&[hook]) });
    assert!(hooked.is_some_and(|hooked| hooked.is_ok()), "Xen refused the direct map: {hooked:?}");
    tables::use_direct_map();
    (map, Pfn(free))
}
// ANCHOR_END: start

impl DirectMap {
    /// The first frame that has no place there yet.
    pub(crate) fn mapped(&self) -> u64 {
        self.mapped
    }

    // ANCHOR: grow
    /// Maps the next [`PIECE`] of memory, up to frame number `end`, with one hypercall. Returns the frames that have their place there
    /// now: where there is no memory behind one yet, nothing is mapped.
    ///
    /// `take` gives frames for tables, which the direct map shows already; two at most.
    ///
    /// # Errors
    /// `None` if all memory is mapped, and when `take` gives nothing; `give` gets back what was taken for nothing.
    pub(crate) fn grow(
        &mut self,
        end: u64,
        mut take: impl FnMut() -> Option<Pfn>,
        mut give: impl FnMut(Pfn),
    ) -> Option<core::ops::Range<u64>> {
        let frames = self.mapped..(self.mapped + PIECE).min(end);
        let address = direct_map(Pfn(frames.start)).addr() as u64;
        if frames.is_empty() || !DIRECT_MAP.contains(&address) {
            return None;
        }
        let level1 = take()?;
        fill(direct_map(level1).cast(), |index| page_entry(Pfn(frames.start + index as u64), Access::ReadWrite));

        let mut requests = [Request::NONE; 4];
        let count = match tables::table(address, 2) {
            Some(level2) => {
                requests[0] = read_only(level1);
                requests[1] = Request::new(level2, tables::index(address, 2), table_entry(level1));
                2
            }
            // The first piece of a GiB needs a table of level 2 as well.
            None => {
                let (Some(level3), Some(level2)) = (tables::table(address, 3), take()) else {
                    give(level1);
                    return None;
                };
                let only = tables::index(address, 2);
                fill(direct_map(level2).cast(), |index| if index == only { table_entry(level1) } else { Entry::EMPTY });
                requests[..2].copy_from_slice(&[read_only(level1), read_only(level2)]);
                requests[2] = Request::new(level3, tables::index(address, 3), table_entry(level2));
                3
            }
        };
        // SAFETY: the tables lose the right to be written, and nobody else has them; all else is new.
        let grown = unsafe { mmu::update(&requests[..count]) };
        assert!(grown.is_ok(), "Xen refused to map the memory from {frames:?} on: {grown:?}");
        self.mapped += PIECE;
        Some(frames)
    }
    // ANCHOR_END: grow
}

/// The request that makes a frame read-only in the direct map.
pub(crate) fn read_only(pfn: Pfn) -> Request {
    request(pfn, page_entry(pfn, Access::Read))
}

/// The request that changes the direct map's entry for a frame that it reaches.
pub(crate) fn request(pfn: Pfn, entry: Entry) -> Request {
    let address = direct_map(pfn).addr() as u64;
    let table = tables::table(address, 1).unwrap_or(Mfn(0));
    Request::new(table, tables::index(address, 1), entry)
}

/// The entry for one of our frames as a page; empty behind the last.
pub(super) fn page_entry(pfn: Pfn, access: Access) -> Entry {
    pfn_to_mfn(pfn).map_or(Entry::EMPTY, |mfn| Entry::new(mfn, access.flags()))
}

/// The entry for one of our frames as a table.
fn table_entry(pfn: Pfn) -> Entry {
    Entry::new(machine(pfn), TABLE)
}

fn machine(pfn: Pfn) -> Mfn {
    pfn_to_mfn(pfn).unwrap_or_else(|| panic!("there is no memory behind {pfn:?}, which is to be a table"))
}

/// Where the boot mapping shows a frame.
fn boot_view(pfn: Pfn) -> *mut u64 {
    core::ptr::with_exposed_provenance_mut(pfn.boot_address() as usize)
}

/// Writes all entries of a table that isn't hooked.
fn fill(table: *mut u64, entry: impl Fn(usize) -> Entry) {
    for index in 0..512 {
        // SAFETY: callers pass a whole free page that is mapped for writing.
        unsafe { table.wrapping_add(index).write_volatile(entry(index).bits()) };
    }
}
