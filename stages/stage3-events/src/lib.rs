//! Stage 3 of Stardust: a kernel that is told when something happens, and knows when that is.
//!
//! Up to here the kernel asked: has dom0 taken the text, has somebody typed? Now it is interrupted instead, and sleeps
//! while there is nothing to do. Hardware would send interrupts; Xen sends *events*, on numbered *ports*. This crate
//! adds:
//!
//! - [`entry`] and [`context`], the way in from Xen and back, for exceptions and events alike;
//!   [`extended_state`] is the part of it that is large;
//! - [`trap`]: exceptions whose handlers may return, and [`fixup`]: instructions that are allowed to fail;
//! - [`upcall`]: what happens at an event; [`pending`]: which port it was; [`port`]: its handler;
//! - [`clock`] and [`timer`]: what time it is, and to be called at one;
//! - [`idle`]: to sleep until something happens;
//! - [`vcpu`]: all that for each vCPU; [`stamp`]: the time and the vCPU in the log.
//!
//! Three files are exercises: `scan.rs` (3a), `pvclock.rs` (3b) and `timer_queue.rs` (3c). Each is a private module
//! with public, documented functions in front of it, its only callers. The references are in `solutions/stage3-events`.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub use console;
pub use memory;

mod bench;
pub mod clock;
pub mod context;
pub mod demo;
pub mod entry;
pub mod extended_state;
pub mod fixup;
pub mod idle;
pub mod pending;
pub mod port;
pub mod shared_info;
pub mod stamp;
#[cfg(test)]
mod tests;
pub mod timer;
pub mod timer_heap;
pub mod trap;
#[cfg(feature = "checks")]
pub mod under_test;
pub mod upcall;
pub mod vcpu;
mod xen;

#[cfg_attr(feature = "ref-scan", path = "../../../solutions/stage3-events/scan.rs")]
#[forbid(unsafe_code)]
mod scan;

#[cfg_attr(feature = "ref-pvclock", path = "../../../solutions/stage3-events/pvclock.rs")]
#[forbid(unsafe_code)]
mod pvclock;

#[cfg_attr(feature = "ref-timer-queue", path = "../../../solutions/stage3-events/timer_queue.rs")]
#[forbid(unsafe_code)]
mod timer_queue;

pub use demo::DEMOS;
pub use xen::Virq;

use console::bedrock::cpu;
use console::bedrock::report::{self, Hooks};
use console::boot_info::StartInfo;
use console::{Boot, Entry};

/// What reports know from here on: which vCPU it was, and what stage 2 knows of addresses.
static HOOKS: Hooks = Hooks {
    cpu: || cpu::current().id(),
    stack: memory::region::stack,
    region: memory::region::region,
    thread: || None,
};

// ANCHOR: boot
/// Brings up stage 3 on top of the stages below it: exceptions, events, the clock, and input by interrupt.
///
/// # Panics
/// If Xen refuses any of it.
pub fn boot(entry: &Entry) -> &'static Boot {
    memory::boot(entry);
    let boot = prepare(entry);
    log::debug!("interruptions save {} bytes of extended state", extended_state::size());
    boot
}

/// All of [`boot`], of this stage and those below, without a word about it. The second call does nothing.
///
/// # Panics
/// As [`boot`].
pub fn prepare(entry: &Entry) -> &'static Boot {
    static UP: spin::Once<()> = spin::Once::new();
    let boot = memory::prepare(entry);
    UP.call_once(|| {
        report::set_hooks(&HOOKS);
        bring_up(&boot.start_info);
        clock::start();
        cpu::restore_events(false);
        stamp::start();
    });
    boot
}
// ANCHOR_END: boot

/// Has the first vCPU take exceptions and events, once they are unmasked. The second call does nothing.
///
/// # Panics
/// If Xen refuses any of it.
pub fn bring_up(start_info: &StartInfo<'_>) {
    static UP: spin::Once<()> = spin::Once::new();
    UP.call_once(|| {
        if let Err(error) = shared_info::map(start_info.shared_info) {
            panic!("the shared page can't be mapped: {error}");
        }
        vcpu::set_machine_frames(start_info.mfn_list);
        if let Err(error) = vcpu::start().and_then(|()| vcpu::register(cpu::current())) {
            panic!("the first vCPU can't take events: {error}");
        }
        // Its event needs no handler: that it interrupts is enough to end a wait.
        match port::adopt(start_info.console_evtchn, |_| {}, 0) {
            Ok(binding) => core::mem::forget(binding),
            Err(error) => panic!("the console can't interrupt: {error}"),
        }
        console::idle::set_wait(idle::wait_until);
        console::bench::register(bench::BENCHMARKS);
    });
}
