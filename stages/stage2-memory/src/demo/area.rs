//! `app=area`: mappings on demand, and what happens when one can't be made.

use alloc::vec::Vec;

use console::boot_info::CommandLine;
use console::println;
use console::types::Mfn;

use crate::area::Area;
use crate::entry::Access;
use crate::frames;
use crate::page_tables::MapError;
use crate::translate::pfn_to_mfn;

/// The values of `area=`: what to do at last.
pub(super) const KINDS: &[&str] = &["read-after-unmap", "write-read-only", "behind"];

const PAGES: usize = 700;

/// Maps frames at a second address, and unmaps them.
pub(super) fn area(command_line: CommandLine<'_>) {
    let free = frames::statistics().free;
    let (Ok(run), Ok(mut area)) = (frames::allocate_zeroed(PAGES as u64), Area::reserve(PAGES * 4096)) else {
        return println!("there is no memory for this");
    };
    let mfns: Vec<Mfn> = run.pfns().rev().filter_map(pfn_to_mfn).collect();
    println!("mapped {PAGES} pages backwards: {:?}", area.map(0, &mfns, Access::ReadWrite));

    for page in 0..PAGES {
        // SAFETY: the area maps these pages for writing, and only this function knows of it.
        unsafe { area.address().wrapping_add(page * 4096).cast::<usize>().write_volatile(page + 1) };
    }
    let seen = |page: &usize| {
        let there = run.address().wrapping_add((PAGES - 1 - page) * 4096).cast::<usize>();
        // SAFETY: the run is ours, and the direct map shows it.
        unsafe { there.read_volatile() == page + 1 }
    };
    println!("seen through the direct map: {} pages", (0..PAGES).filter(seen).count());

    println!("mapped once more: {}", refused(area.map(10, &mfns[..1], Access::Read)));
    println!("unmapped in part: {:?}", area.unmap(100, 500));
    println!("unmapped across a hole: {}", refused(area.unmap(90, 20)));
    let mut bad = mfns[..40].to_vec();
    bad[30] = Mfn(0);
    println!("a frame that isn't ours among 40: {}", refused(area.map(100, &bad, Access::Read)));
    println!("the same place afterwards: {:?}", area.map(100, &mfns[..40], Access::Read));
    println!("behind its end: {}", refused(area.map(PAGES - 1, &mfns[..2], Access::Read)));
    println!("areas of no bytes, and of all: {:?} {:?}", Area::reserve(0).err(), Area::reserve(usize::MAX).err());

    let start = area.address();
    match command_line.get("area") {
        Some("read-after-unmap") => {
            drop(area);
            read(start);
        }
        Some("write-read-only") => write(start.wrapping_add(100 * 4096)),
        Some("behind") => read(start.wrapping_add(PAGES * 4096)),
        _ => drop(area),
    }
    drop(mfns);
    drop(bad);
    drop(run);
    // Tables that were made stay, and so does what the heap has grown by.
    println!("frames kept: {}", if free - frames::statistics().free < 64 { "few" } else { "many" });
}

fn refused(result: Result<(), MapError>) -> &'static str {
    match result {
        Ok(()) => "done",
        Err(MapError::BadAddress) => "bad address",
        Err(MapError::AlreadyMapped(_)) => "already mapped",
        Err(MapError::NotMapped(_)) => "not mapped",
        Err(MapError::OutOfMemory) => "out of memory",
        Err(MapError::Refused(_)) => "refused by Xen",
    }
}

#[inline(never)]
fn read(address: *mut u8) {
    println!("about to read {address:p}");
    // SAFETY: none: this faults, which is the point.
    unsafe { core::arch::asm!("mov al, [{}]", in(reg) address, out("al") _) };
}

#[inline(never)]
fn write(address: *mut u8) {
    println!("about to write to {address:p}");
    // SAFETY: none: this faults, which is the point.
    unsafe { core::arch::asm!("mov byte ptr [{}], 0", in(reg) address) };
}
