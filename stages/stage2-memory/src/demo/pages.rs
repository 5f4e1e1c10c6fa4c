//! `app=memory`: touches every page, and says what memory there is.

use alloc::vec::Vec;

use console::boot_info::CommandLine;
use console::println;
use console::types::Pfn;

use crate::frames::{self, FrameRun};
use crate::{audit, heap, layout, live_tables, mmu};

/// Takes all frames, writes to each what only it can hold, reads that back, and gives them back.
pub(super) fn memory(_: CommandLine<'_>) {
    let before = frames::statistics();
    let calls = mmu::hypercalls();
    println!("total {} pages, reserved {}, free {}", before.total, before.reserved, before.free);

    let mut runs: Vec<FrameRun> = Vec::new();
    let mut length = 512;
    let (mut touched, mut wrong) = (0, 0);
    while length > 0 {
        match frames::allocate(length) {
            Ok(run) => {
                run.pfns().for_each(write);
                touched += run.count();
                if runs.try_reserve(1).is_err() {
                    break;
                }
                runs.push(run);
            }
            Err(frames::OutOfMemory) => length /= 2,
        }
    }
    for run in &runs {
        wrong += run.pfns().filter(|pfn| !holds(*pfn)).count();
    }
    let mapped = frames::statistics().mapped - before.mapped;
    let calls = mmu::hypercalls() - calls;
    println!("touched {touched} pages, {wrong} of them wrong");
    println!("mapped {mapped} pages with {calls} hypercalls");
    drop(runs);
    let after = frames::statistics();
    println!("free again {} pages", after.free);

    let audit = audit::run();
    println!(
        "mapped pages: {} ({} writable, {} executable, {} both); {} tables, {} made; {} left over",
        audit.mapped,
        audit.writable,
        audit.executable,
        audit.writable_executable,
        audit.tables,
        live_tables::tables_made(),
        audit.left_over
    );
    println!("heap: {:?}", heap::statistics());
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
