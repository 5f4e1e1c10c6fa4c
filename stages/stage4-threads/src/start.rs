//! Bringing up the stage.
//!
//! Invariant: what runs when [`boot`] is called becomes the thread `main`, and goes on as that.

use console::{Boot, Entry};

use crate::thread::SpawnError;
use crate::{bench, report, scheduler, smp, sync, thread};

// ANCHOR: boot
/// Brings up the stages below, makes a thread of what runs, and starts the other vCPUs.
///
/// # Panics
/// If the stages below do, or if there is no memory for the first threads.
pub fn boot(entry: &Entry) -> &'static Boot {
    static ANNOUNCED: spin::Once<()> = spin::Once::new();
    let boot = events::boot(entry);
    prepare(entry);
    ANNOUNCED.call_once(smp::announce);
    boot
}

/// All of [`boot`], of this stage and those below, without a word about it. The second call does nothing.
///
/// # Panics
/// As [`boot`].
pub fn prepare(entry: &Entry) {
    static UP: spin::Once<()> = spin::Once::new();
    events::prepare(entry);
    UP.call_once(|| {
        if entry_asks_for_watch() {
            sync::order::watch();
        }
        if let Err(error) = start_threads() {
            panic!("there can be no threads: {error}");
        }
        smp::start_all();
        console::bench::register(bench::BENCHMARKS);
        let online = smp::online().iter().count();
        if online > 1 {
            console::bench::register(bench::ACROSS);
        }
        if online >= bench::MANY as usize {
            console::bench::register(bench::OF_MANY);
        }
    });
}

/// `debug=locks` on the command line.
fn entry_asks_for_watch() -> bool {
    console::booted().is_some_and(|boot| boot.command_line.get("debug") == Some("locks"))
}

fn start_threads() -> Result<(), SpawnError> {
    let main = thread::adopt_main().ok_or(SpawnError::OutOfMemory)?;
    let idle = thread::first_idle()?;
    let scheduler = scheduler::adopt(main, idle);
    if let Err(error) = smp::let_others_interrupt(scheduler) {
        panic!("the first vCPU can't be interrupted: {error}");
    }
    report::start();
    memory::tlb::set_flush(smp::flush_everywhere);
    events::upcall::set_resume(scheduler::resume);
    console::idle::set_wait(thread::wait_until);
    Ok(())
}
// ANCHOR_END: boot
