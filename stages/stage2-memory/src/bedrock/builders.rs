//! The page tables of Xen's builder, as the direct map's first.
//!
//! Each of level 1 shows 512 frames in the order of their pfns, from 0 on: just what the direct map needs. Stage 1 has
//! replaced the first one by one of its own, and those behind the image stay where they are, too: then the boot mapping
//! and the direct map share a table, and what is changed in it is changed at both places.
//!
//! Invariant: a table is taken over only if Xen keeps it as one of level 1, and it shows what it is believed to.

use core::ops::Range;

use console::bedrock::Image;
use console::boot_info::StartInfo;
use console::types::{PAGE_SIZE, Pfn, VIRT_BASE};

use super::direct_map::{PIECE, page_entry};
use super::tables;
use crate::entry::{Access, Entry};
use crate::mmu::{self, BATCH, Flush, Request};
use crate::translate::pfn_to_mfn;

/// Those of the builder's tables that the direct map takes over.
pub(super) struct Builders {
    /// How many there are, of level 1: from the first on.
    pub(super) pieces: u64,
    /// The first frame behind all of the builder's tables, which are the last of what it made.
    pub(super) end: u64,
    first: u64,
}

impl Builders {
    pub(super) fn of(start_info: &StartInfo<'_>) -> Self {
        let tables = (start_info.pt_base - VIRT_BASE) / PAGE_SIZE as u64;
        let count = start_info.nr_pt_frames;
        // One each is of the levels 4 to 2.
        let mut all = Self { pieces: count.saturating_sub(3), end: tables + count, first: tables + 3 };
        all.pieces = (0..all.pieces).take_while(|piece| all.shows_all(*piece)).count() as u64;
        all
    }

    /// The table for 512 frames, from number `piece * PIECE` on.
    pub(super) fn table(&self, piece: u64) -> Pfn {
        Pfn(self.first + piece)
    }

    /// Whether the first and the last entry are as they should be: then all are.
    fn shows_all(&self, piece: u64) -> bool {
        let Some(table) = pfn_to_mfn(self.table(piece)) else { return false };
        [0, PIECE - 1].into_iter().all(|index| {
            let entry = tables::entry(table, index as usize);
            entry.is_present() && Some(entry.frame()) == pfn_to_mfn(Pfn(piece * PIECE + index))
        })
    }

    /// Whether the boot mapping has the same table for this frame.
    fn shared(&self, pfn: u64) -> bool {
        (PIECE..self.pieces * PIECE).contains(&pfn)
    }

    /// Takes back what the builder has made writable and may not be: the image's text and constants, which have no place
    /// in the direct map then, and the frames that become tables, which can be read.
    pub(super) fn narrow(&self, new_tables: Range<u64>) {
        let Image { text, rodata, symbols, .. } = Image::running();
        let image = [text, rodata, symbols]
            .into_iter()
            .flat_map(|part| frame(part.start)..frame(part.end.next_multiple_of(PAGE_SIZE as u64)));
        // Stage 1 has seen to what is shared.
        let image = image.filter(|pfn| !self.shared(*pfn)).map(|pfn| (pfn, Entry::EMPTY));
        let tables = new_tables.map(|pfn| (pfn, page_entry(Pfn(pfn), Access::Read)));
        let entries = image.chain(tables).filter(|(pfn, _)| *pfn < self.pieces * PIECE);
        request(entries.filter_map(|(pfn, entry)| {
            let table = pfn_to_mfn(self.table(pfn / PIECE))?;
            Some(Request::new(table, (pfn % PIECE) as usize, entry))
        }));
    }

    /// Takes free frames out of the boot mapping, but for what it shares with the direct map: their place is there.
    pub(super) fn unmap_boot_view(&self, free: Range<u64>) {
        request(free.filter(|pfn| !self.shared(*pfn)).filter_map(|pfn| {
            let address = Pfn(pfn).boot_address();
            Some(Request::new(tables::table(address, 1)?, tables::index(address, 1), Entry::EMPTY))
        }));
        mmu::flush_local(core::iter::once(Flush::All));
    }
}

/// The page of the boot mapping at this address.
fn frame(address: u64) -> u64 {
    address.wrapping_sub(VIRT_BASE) / PAGE_SIZE as u64
}

/// Has Xen do so many requests, of which nobody has used yet what they take away.
fn request(mut all: impl Iterator<Item = Request>) {
    let mut requests = [Request::NONE; BATCH];
    loop {
        let mut count = 0;
        for (place, request) in requests.iter_mut().zip(&mut all) {
            *place = request;
            count += 1;
        }
        // SAFETY: pages lose only the right to be written, or a second place, and nobody uses them so.
        let done = unsafe { mmu::update(&requests[..count]) };
        assert!(done.is_ok(), "Xen refused to narrow the builder's tables: {done:?}");
        if count < BATCH {
            return;
        }
    }
}
