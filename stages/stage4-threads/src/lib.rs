//! Stage 4 of Stardust: threads on every vCPU, ways to wait for one another, and async tasks.
//!
//! Up to here the kernel did one thing at a time, on one vCPU. This crate adds:
//!
//! - [`context`]: leaving one stack for another; [`thread`]: what is made of that;
//! - [`ready`]: whose turn it is; `scheduler`: who runs where, and for how long;
//! - [`smp`]: the other vCPUs; [`cpu_set`] names some of them;
//! - [`wait_queue`]: how a thread waits; [`sync`]: what it waits for;

//!
//! Four files are exercises: `switch.rs` (4a), `run_queue.rs` (4b), `locks.rs` (4c) and `vcpu_context.rs` (4d). Each is a
//! private module with public, documented functions in front of it, its only callers. The references are in
//! `solutions/stage4-threads`.
#![no_std]

extern crate alloc;
#[cfg(not(guest))]
extern crate std;

pub use console::{self, lab_todo};
pub use {events, memory};

pub mod context;
pub mod cpu_set;
pub mod demo;
#[cfg(all(test, loom))]
mod models;
mod park;
pub mod ready;
mod report;
mod scheduler;
pub mod smp;
pub mod sync;
pub mod sys;
#[cfg(all(test, not(loom)))]
mod tests;
pub mod thread;
pub mod time;
pub mod wait_queue;

#[cfg_attr(feature = "ref-run-queue", path = "../../../solutions/stage4-threads/run_queue.rs")]
#[forbid(unsafe_code)]
mod run_queue;

#[cfg_attr(feature = "ref-locks", path = "../../../solutions/stage4-threads/locks.rs")]
#[forbid(unsafe_code)]
mod locks;

#[cfg_attr(feature = "ref-switch", path = "../../../solutions/stage4-threads/switch.rs")]
#[forbid(unsafe_op_in_unsafe_fn)]
mod switch;

#[cfg_attr(feature = "ref-vcpu-context", path = "../../../solutions/stage4-threads/vcpu_context.rs")]
#[forbid(unsafe_code)]
mod vcpu_context;

pub use demo::DEMOS;
pub use scheduler::{set_slice, slice};

use console::{Boot, Entry};

// ANCHOR: boot
/// Brings up the stages below, makes a thread of what runs, and starts the other vCPUs.
///
/// # Panics
/// If the stages below do, or if there is no memory for the first threads.
pub fn boot(entry: &Entry) -> &'static Boot {
    static UP: spin::Once<()> = spin::Once::new();
    let boot = events::boot(entry);
    UP.call_once(|| {
        if boot.command_line.get("debug") == Some("locks") {
            sync::order::watch();
        }
        if let Err(error) = start_threads() {
            panic!("there can be no threads: {error}");
        }
        smp::start_all();
    });
    boot
}
// ANCHOR_END: boot

fn start_threads() -> Result<(), thread::SpawnError> {
    let main = thread::adopt_main().ok_or(thread::SpawnError::OutOfMemory)?;
    let idle = thread::first_idle()?;
    scheduler::adopt(main, idle);
    report::start();
    memory::tlb::set_flush(smp::flush_everywhere);
    events::upcall::set_resume(scheduler::resume);
    console::idle::set_wait(thread::wait_until);
    Ok(())
}
