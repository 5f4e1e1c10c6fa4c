//! Leaving dom0 alone until it has nothing left to do for us.
//!
//! Follows `SCHEDOP_poll` in Xen's `public/sched.h`, which blocks a vCPU until a moment in system time, and
//! `VCPUOP_get_runstate_info` in `public/vcpu.h`, which tells when this vCPU last began to run. Stage 1 has no clock, but
//! right after a block the second is the time of day.
//!
//! Invariant: events stay masked meanwhile, so nothing else of this vCPU runs.

use crate::Errno;
use crate::bedrock::cpu;
use crate::xen::{hypercall, number};

/// `struct sched_poll`.
#[repr(C)]
struct Poll {
    ports: u64,
    port_count: u32,
    timeout: u64,
}

/// `struct vcpu_runstate_info`.
#[repr(C)]
#[derive(Default)]
struct RunState {
    state: u32,
    /// Nanoseconds of system time.
    entered_at: u64,
    times: [u64; 4],
}

/// Blocks this vCPU for so many milliseconds.
///
/// # Errors
/// None that Xen documents.
pub(super) fn rest(milliseconds: u64) -> Result<(), Errno> {
    let before = cpu::mask_events();
    let result = rest_masked(milliseconds.saturating_mul(1_000_000));
    cpu::restore_events(before);
    result
}

fn rest_masked(nanoseconds: u64) -> Result<(), Errno> {
    block_until(1)?; // long past: but a block
    let end = runs_since()?.saturating_add(nanoseconds);
    // An event ends a block too.
    while runs_since()? < end {
        block_until(end)?;
    }
    Ok(())
}

fn block_until(timeout: u64) -> Result<(), Errno> {
    const SCHEDOP_POLL: u64 = 3;
    let poll = Poll { ports: 0, port_count: 0, timeout };
    let address = (&raw const poll).expose_provenance() as u64;
    // SAFETY: the argument is a `struct sched_poll` without ports, which Xen only reads.
    unsafe { hypercall(number::SCHED_OP, [SCHEDOP_POLL, address, 0, 0]) }.map(drop)
}

/// When this vCPU last began to run.
fn runs_since() -> Result<u64, Errno> {
    const VCPUOP_GET_RUNSTATE_INFO: u64 = 4;
    let mut state = RunState::default();
    let address = (&raw mut state).expose_provenance() as u64;
    let this = u64::from(cpu::current().id());
    // SAFETY: Xen fills a `struct vcpu_runstate_info`.
    unsafe { hypercall(number::VCPU_OP, [VCPUOP_GET_RUNSTATE_INFO, this, address, 0]) }?;
    Ok(state.entered_at)
}
