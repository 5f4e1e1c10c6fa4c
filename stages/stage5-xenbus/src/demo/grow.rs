//! The demo about more memory: `app=grow`.
//!
//! Invariant: each frame that can be had is written to and read back, and all of them are free again afterwards.

use core::time::Duration;

use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;
use memory::frames::{self, FrameRun};
use memory::translate::{mfn_to_pfn, pfn_to_mfn};
use threads::thread;

use crate::balloon;

/// Waits until dom0 has given `frames=` frames, uses all that there are, and waits again, until there are that many once more.
pub(super) fn grow(command_line: CommandLine<'_>) {
    let wanted = command_line.get("frames").and_then(|frames| frames.parse().ok()).unwrap_or(0);
    loop {
        println!("waiting for {wanted} frames");
        while balloon::frames_here() < wanted {
            thread::sleep(Duration::from_millis(20));
        }
        let (before, mut runs, mut count) = (frames::statistics().free, Vec::new(), 0);
        // Some are left for the list, and for whoever prints.
        while runs.try_reserve(1).is_ok()
            && frames::statistics().free > 1024
            && let Some(run) = [256, 1].into_iter().find_map(|size| frames::allocate(size).ok())
        {
            count += run.count();
            runs.push(run);
        }
        let highest = runs.iter().map(|run| run.first().0 + run.count()).max().unwrap_or(0);
        runs.iter().for_each(|run| {
            each_word(run, |place, value| {
                // SAFETY: within the run, which is ours.
                unsafe { place.write_volatile(value) };
            })
        });
        let mut wrong = 0;
        for run in &runs {
            each_word(run, |place, value| {
                // SAFETY: as above.
                wrong += u64::from(unsafe { place.read_volatile() } != value);
            });
            wrong += run.pfns().filter(|pfn| pfn_to_mfn(*pfn).and_then(mfn_to_pfn) != Some(*pfn)).count() as u64;
        }
        println!("{count} frames, the highest number {highest}: {wrong} wrong");
        drop(runs);
        println!("free before {before} and after {}", frames::statistics().free);
        while balloon::frames_here() >= wanted {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Looks at the first and the last word of each frame, with the value that is to be there.
fn each_word(run: &FrameRun, mut look: impl FnMut(*mut u64, u64)) {
    for (number, pfn) in run.pfns().enumerate() {
        for offset in [0, 4096 - size_of::<u64>()] {
            let place = run.address().wrapping_add(number * 4096 + offset).cast::<u64>();
            look(place, pfn.0 * 4096 + offset as u64);
        }
    }
}
