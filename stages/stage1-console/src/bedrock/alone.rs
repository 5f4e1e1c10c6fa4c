//! The end of a domain is the business of one vCPU: the others are stopped before.
//!
//! Follows `VCPUOP_down` and `VCPUOP_get_runstate_info` in Xen's `public/vcpu.h`. Any vCPU may stop any other. Otherwise
//! they would go on while one reports a panic: print into its report, or return from `main` and end the domain as if all
//! were well.
//!
//! Invariant: [`take_over`] returns on one vCPU, to which nothing happens any more but what it does itself. It takes no lock,
//! and every wait in it ends, but for those that lose: they are stopped there.

use core::sync::atomic::{AtomicU32, Ordering};

use super::raw_hypercall::{number, raw_hypercall};
use super::{cpu, offer_processor};
use crate::patience::Patience;

/// The most vCPUs that a domain of this kind can have.
const MOST: u32 = 128;
const VCPUOP_DOWN: u64 = 2;
const VCPUOP_GET_RUNSTATE_INFO: u64 = 4;

/// The vCPU that has taken over (its number + 1).
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Masks the events of this vCPU, whose number is `me`, and stops all others. May be called again.
pub(super) fn take_over(me: u32) {
    cpu::mask_events();
    match OWNER.compare_exchange(0, me.wrapping_add(1), Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => stop_others(me),
        Err(owner) if owner == me.wrapping_add(1) => {}
        // The other one was first, and stops this one.
        Err(_) => loop {
            offer_processor();
        },
    }
}

fn stop_others(me: u32) {
    let others = || (0..MOST).filter(|cpu| *cpu != me);
    let count = others().take_while(|cpu| ask(VCPUOP_DOWN, *cpu, 0) >= 0).count();
    // Xen answers before a vCPU on another processor has really stopped.
    let patience = Patience::new();
    for cpu in others().take(count) {
        while runs(cpu) && !patience.is_over() {
            offer_processor();
        }
    }
}

/// Whether a vCPU has a processor.
fn runs(cpu: u32) -> bool {
    const RUNNING: u64 = 0;
    // `struct vcpu_runstate_info`: the state, an int, and five numbers of 64 bits.
    let mut information = [u64::MAX; 6];
    ask(VCPUOP_GET_RUNSTATE_INFO, cpu, (&raw mut information).expose_provenance() as u64) >= 0
        && information[0] & u64::from(u32::MAX) == RUNNING
}

fn ask(operation: u64, cpu: u32, argument: u64) -> i64 {
    // SAFETY: stopping another vCPU takes nothing away that this one relies on, since it waits for nobody any more; and the
    // other operation writes what its argument has room for.
    unsafe { raw_hypercall(number::VCPU_OP, [operation, cpu.into(), argument, 0]) }
}
