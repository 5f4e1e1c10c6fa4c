//! Write xor execute, from the first moments on.
//!
//! Xen's builder maps everything readable, writable and executable. This narrows each page to what it is for,
//! with `update_va_mapping` (`public/xen.h`): text can't be written, nothing else can be executed, and the page
//! under the boot stack doesn't exist. Stage 2 extends the same rule to all memory.
//!
//! Invariant: page tables stay read-only (Xen insists on it), and an entry that is not present is exactly 0.

use super::frames;
use super::image::Image;
use super::raw_hypercall::{number, raw_hypercall};
use super::raw_start_info::RawStartInfo;
use super::start;
use crate::types::{PAGE_SIZE, Pfn, VIRT_BASE};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const NO_EXECUTE: u64 = 1 << 63;

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

/// Gives every page of the boot mapping the access it needs and no more.
///
/// # Panics
/// If Xen refuses an entry: then the layout isn't what this code believes.
pub(super) fn apply(start_info: RawStartInfo) {
    let image = Image::running();
    let tables = start_info.pt_base()..start_info.pt_base() + start_info.nr_pt_frames() * PAGE_SIZE as u64;
    let guard = start::boot_stack_guard();

    // ANCHOR: apply
    for pfn in (0..mapped_pages(start_info)).map(Pfn) {
        let address = pfn.boot_address();
        let access = if image.text.contains(&address) {
            Access::ReadExecute
        } else if image.rodata.contains(&address) || image.symbols.contains(&address) || tables.contains(&address) {
            Access::Read
        } else if guard.contains(&address) {
            Access::None
        } else {
            Access::ReadWrite
        };
        map(start_info, pfn, access);
    }
    // ANCHOR_END: apply
}

/// How many pages the builder has mapped, from `VIRT_BASE`. Of the page tables, one each is of the levels 4 to 2;
/// each of the others maps 512 pages.
fn mapped_pages(start_info: RawStartInfo) -> u64 {
    let last_level = start_info.nr_pt_frames().saturating_sub(3);
    (last_level * 512).min(start_info.nr_pages()).min((1 << 30) / PAGE_SIZE as u64)
}

fn map(start_info: RawStartInfo, pfn: Pfn, access: Access) {
    const FLUSH_PAGE: u64 = 2; // UVMF_INVLPG
    let entry = match access {
        Access::None => 0,
        // SAFETY: `start_info` is as Xen passed it, and `pfn` is less than `nr_pages` by `mapped_pages`.
        _ => unsafe { frames::physical_to_machine(start_info.mfn_list(), pfn) }.0 << 12 | access.bits(),
    };
    // SAFETY: the page keeps its frame and loses only the access that nothing needs; the guard page holds no data.
    let result = unsafe { raw_hypercall(number::UPDATE_VA_MAPPING, [pfn.boot_address(), entry, FLUSH_PAGE, 0]) };
    assert!(result == 0, "Xen refused to protect {:#x} as {access:?}: {result}", VIRT_BASE + (pfn.0 << 12));
}
