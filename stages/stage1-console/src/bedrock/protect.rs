//! Write xor execute, from the first moments on.
//!
//! Xen's builder maps everything readable, writable and executable, by tables for 512 pages each. This narrows each page
//! to what it is for. The first table, in which the image begins, is replaced by one of our own: to fill a page and
//! have Xen look at it once takes a fifth of what 512 requests do. Of the tables behind it, each is made not
//! executable as a whole, or taken out where nothing in it is used. The page under the boot stack doesn't exist. Stage 2
//! extends the same rule to all memory.
//!
//! A table that nothing leads to any more is an ordinary page again, for which Xen goes through its 512 pages once more. So
//! the builder's are pinned before: they stay tables, and stage 2 has a use for them.
//!
//! Follows `update_va_mapping`, `mmu_update` and `mmuext_op` in Xen's `public/xen.h`. Invariant: page tables stay read-only (Xen insists
//! on it), and an entry that is not present is exactly 0.

use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use super::frames;
use super::image::Image;
use super::raw_hypercall::{number, raw_hypercall};
use super::raw_start_info::RawStartInfo;
use super::start;
use crate::types::{Domid, Mfn, PAGE_SIZE, Pfn, VIRT_BASE};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const NO_EXECUTE: u64 = 1 << 63;
/// Where an entry has its frame.
const FRAME: u64 = 0x000f_ffff_ffff_f000;

// Of `update_va_mapping`: which translations the processor forgets.
const FLUSH_ALL: u64 = 1; // UVMF_TLB_FLUSH
const FLUSH_PAGE: u64 = 2; // UVMF_INVLPG

/// Pages that one table maps.
const PIECE: u64 = 512;
/// Free pages that stay mapped: stage 2 builds its first tables there.
const SPARE: u64 = 4;
/// One more for so many pages that are in use: large guests have more to keep account of.
const SHARE: u64 = 64;

/// What a page of the boot mapping may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    None,
    ReadExecute,
    Read,
    ReadWrite,
}

impl Access {
    fn bits(self) -> u64 {
        match self {
            Self::None => 0,
            Self::ReadExecute => PRESENT | ACCESSED,
            Self::Read => PRESENT | ACCESSED | NO_EXECUTE,
            Self::ReadWrite => PRESENT | ACCESSED | DIRTY | WRITABLE | NO_EXECUTE,
        }
    }
}

/// A page table, before Xen has it.
#[repr(C, align(4096))]
struct Table(UnsafeCell<[u64; PIECE as usize]>);

// SAFETY: it is written once, by the first vCPU, before there are others.
unsafe impl Sync for Table {}

static KEPT: AtomicU64 = AtomicU64::new(0);
static FIRST: Table = Table(UnsafeCell::new([0; PIECE as usize]));

/// Gives every page of the boot mapping the access it needs and no more.
///
/// # Panics
/// If Xen refuses: then the layout isn't what this code believes.
pub(super) fn apply(start_info: RawStartInfo) {
    let boot = BootMapping::of(start_info);
    // SAFETY: nobody else knows of the table, and Xen doesn't use it yet.
    let first = unsafe { &mut *FIRST.0.get() };
    // ANCHOR: apply
    let pieces = boot.mapped.div_ceil(PIECE);
    (0..pieces).for_each(|piece| boot.pin(piece));
    for (pfn, entry) in (0..boot.kept).map(Pfn).zip(first) {
        *entry = boot.entry(pfn);
    }
    boot.map(first_table(), FLUSH_PAGE); // no longer writable: it becomes a page table
    boot.set(0, boot.machine(first_table()).0 << 12 | boot.get(0) & !FRAME);

    for piece in 1..pieces {
        let pages = piece * PIECE..(piece + 1) * PIECE;
        if pages.start >= boot.kept {
            boot.set(piece, 0);
        } else if pages.start >= boot.image_end {
            boot.set(piece, boot.get(piece) | NO_EXECUTE);
        } else {
            pages.for_each(|pfn| boot.map(Pfn(pfn), FLUSH_PAGE));
        }
    }
    // ANCHOR_END: apply
    KEPT.store(boot.kept, Ordering::Relaxed);
    boot.map(pfn_at(boot.guard.start), FLUSH_ALL);
}

/// How many pages, from `VIRT_BASE` on, stay mapped. The last few are free.
pub fn boot_mapped() -> u64 {
    KEPT.load(Ordering::Relaxed)
}

/// What Xen's builder has mapped from `VIRT_BASE` on: the image, what Xen passes, and last the page tables.
struct BootMapping {
    nr_pages: u64,
    mfn_list: u64,
    image: Image,
    tables: Range<u64>,
    guard: Range<u64>,
    /// The table of level 2.
    level2: Pfn,
    /// The first pfn behind the image.
    image_end: u64,
    /// The first pfn that is not mapped.
    mapped: u64,
    /// The first pfn that is mapped no more in the end.
    kept: u64,
}

impl BootMapping {
    fn of(start_info: RawStartInfo) -> Self {
        let (image, count, nr_pages) = (Image::running(), start_info.nr_pt_frames(), start_info.nr_pages());
        let tables = start_info.pt_base()..start_info.pt_base() + count * PAGE_SIZE as u64;
        // One table each is of the levels 4 to 2; each of the others maps 512 pages.
        let mapped = (count.saturating_sub(3) * PIECE).min(nr_pages).min((1 << 30) / PAGE_SIZE as u64);
        let used = pfn_at(tables.end).0;
        let kept = used + SPARE + used / SHARE;
        // Of the tables behind the first, whole ones go.
        let kept = if kept <= PIECE { kept } else { kept.next_multiple_of(PIECE) };
        // VIRT_BASE lies behind the last entry of level 4, and the last but one of level 3.
        let level3 = table_behind(pfn_at(tables.start), 511);
        Self {
            nr_pages,
            mfn_list: start_info.mfn_list(),
            tables,
            guard: start::boot_stack_guard(),
            level2: table_behind(level3, 510),
            image_end: pfn_at(image.end()).0 + 1,
            image,
            mapped,
            kept: kept.min(mapped),
        }
    }

    fn access(&self, pfn: Pfn) -> Access {
        let address = pfn.boot_address();
        let read_only = [&self.image.rodata, &self.image.symbols, &self.tables];
        if pfn.0 >= self.kept || self.guard.contains(&address) {
            Access::None
        } else if self.image.text.contains(&address) {
            Access::ReadExecute
        } else if read_only.iter().any(|range| range.contains(&address)) || pfn == first_table() {
            Access::Read
        } else {
            Access::ReadWrite
        }
    }

    /// The entry that maps a page as it is to be.
    fn entry(&self, pfn: Pfn) -> u64 {
        match self.access(pfn) {
            Access::None => 0,
            access => self.machine(pfn).0 << 12 | access.bits(),
        }
    }

    fn machine(&self, pfn: Pfn) -> Mfn {
        assert!(pfn.0 < self.nr_pages, "{pfn:?} is not ours");
        // SAFETY: both are as Xen passed them, and `pfn` is less than `nr_pages`.
        unsafe { frames::physical_to_machine(self.mfn_list, pfn) }
    }

    /// Maps one page as it is to be.
    fn map(&self, pfn: Pfn, flush: u64) {
        let arguments = [pfn.boot_address(), self.entry(pfn), flush, 0];
        // SAFETY: the page keeps its frame and loses only the access that nothing needs; the guard page holds no data.
        let result = unsafe { raw_hypercall(number::UPDATE_VA_MAPPING, arguments) };
        assert_done(result, pfn);
    }

    /// The entry of level 2 for so many tables behind the first.
    fn get(&self, piece: u64) -> u64 {
        entry(self.level2, piece)
    }

    /// Sets it.
    fn set(&self, piece: u64, value: u64) {
        request(number::MMU_UPDATE, &[(self.machine(self.level2).0 << 12) + piece * 8, value], piece);
    }

    /// Has Xen keep the table that this entry leads to as one, whatever leads to it.
    fn pin(&self, piece: u64) {
        const PIN_L1_TABLE: u64 = 0;
        request(number::MMUEXT_OP, &[PIN_L1_TABLE, (self.get(piece) & FRAME) >> 12, 0], piece);
    }
}

/// Makes one request about so many tables behind the first: `struct mmu_update` or `struct mmuext_op`.
fn request(number: u64, request: &[u64], piece: u64) {
    let arguments = [request.as_ptr().addr() as u64, 1, 0, u64::from(Domid::SELF.0)];
    // SAFETY: Xen only reads the request. What is mapped stays as it is or loses what nothing needs.
    let result = unsafe { raw_hypercall(number, arguments) };
    assert_done(result, Pfn(piece * PIECE));
}

fn assert_done(result: i64, pfn: Pfn) {
    assert!(result == 0, "Xen refused to protect memory from {pfn:?} on: {result}");
}

fn first_table() -> Pfn {
    pfn_at((&raw const FIRST).addr() as u64)
}

/// The page of the boot mapping at this address.
fn pfn_at(address: u64) -> Pfn {
    Pfn(address.wrapping_sub(VIRT_BASE) / PAGE_SIZE as u64)
}

fn table_behind(table: Pfn, index: u64) -> Pfn {
    frames::machine_to_physical(Mfn((entry(table, index) & FRAME) >> 12))
}

fn entry(table: Pfn, index: u64) -> u64 {
    // SAFETY: a page table is a page of ours, which the boot mapping shows, with 512 entries.
    unsafe { ((table.boot_address() + index % PIECE * 8) as *const u64).read_volatile() }
}
