//! `app=memory`: touches every page, and says what memory there is.

use alloc::vec::Vec;

use console::boot_info::CommandLine;
use console::println;
use console::types::Pfn;

use crate::frames::{self, FrameRun, OutOfMemory, Statistics};
use crate::{audit, layout, live_tables, mmu};

/// Takes all frames, writes to each what only it can hold, reads that back, and gives them back.
pub(super) fn memory(_: CommandLine<'_>) {
    let before = frames::statistics();
    let Statistics { total, reserved, free, mapped } = before;
    println!("frames: total {total} reserved {reserved} free {free} mapped {mapped}");

    let calls = mmu::hypercalls();
    let runs = take_all();
    let touched: u64 = runs.iter().map(FrameRun::count).sum();
    let wrong = runs.iter().flat_map(FrameRun::pfns).filter(|pfn| !holds(*pfn)).count();
    let left = frames::statistics().free;
    println!("touched {touched} of {total} pages, {wrong} wrong, {left} left");

    let (pages, calls) = (frames::statistics().mapped - mapped, mmu::hypercalls() - calls);
    let per_piece = (calls * 512 * 100).checked_div(pages).unwrap_or(0);
    println!("mapped {pages} pages by {calls} hypercalls: {}.{:02} for 2 MiB", per_piece / 100, per_piece % 100);
    drop(runs);
    println!("free again: {} pages", frames::statistics().free);
    report_audit();
}

fn take_all() -> Vec<FrameRun> {
    let mut runs = Vec::new();
    let mut length = 512;
    while length > 0 && runs.try_reserve(1).is_ok() {
        match frames::allocate(length) {
            Ok(run) => {
                run.pfns().for_each(write);
                runs.push(run);
            }
            Err(OutOfMemory) => length /= 2,
        }
    }
    runs
}

fn report_audit() {
    let audit::Audit { mapped, writable, executable, writable_executable, tables, left_over } = audit::run();
    println!("audit: {mapped} pages mapped, {writable} writable, {executable} executable");
    println!("audit: {writable_executable} both writable and executable, {left_over} left over");
    println!("audit: {tables} tables, {} of them for areas, stacks and the heap", live_tables::tables_made());
}

fn words(pfn: Pfn) -> [(*mut u64, u64); 2] {
    let start = layout::direct_map(pfn).cast::<u64>();
    [(start, pfn.0), (start.wrapping_add(511), !pfn.0)]
}

fn write(pfn: Pfn) {
    for (word, value) in words(pfn) {
        // SAFETY: the frame is ours alone, and the direct map shows it.
        unsafe { word.write_volatile(value) };
    }
}

fn holds(pfn: Pfn) -> bool {
    // SAFETY: as in `write`.
    words(pfn).into_iter().all(|(word, value)| unsafe { word.read_volatile() } == value)
}
