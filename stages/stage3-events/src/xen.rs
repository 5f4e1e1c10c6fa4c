//! The hypercalls that this stage adds, with types.
//!
//! Follows Xen's `public/xen.h`, `public/event_channel.h`, `public/callback.h`, `public/vcpu.h` and `public/sched.h`.
//! Invariant: each structure here has the layout of its namesake there, and only the functions of this file pass one
//! to Xen.

use console::Errno;
use console::bedrock::TrapInfo;
use console::types::{Domid, Mfn, Port};
use console::xen::hypercall;

/// The numbers of the hypercalls (`public/xen.h`) that stage 3 makes.
mod number {
    pub const SET_TRAP_TABLE: u64 = 0;
    pub const FPU_TASKSWITCH: u64 = 5;
    pub const UPDATE_VA_MAPPING: u64 = 14;
    pub const VCPU_OP: u64 = 24;
    pub const SCHED_OP: u64 = 29;
    pub const CALLBACK_OP: u64 = 30;
    pub const EVENT_CHANNEL_OP: u64 = 32;
}

/// A virtual interrupt: an event that Xen itself sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Virq(pub u32);

impl Virq {
    /// The vCPU's one-shot timer has fired. Each vCPU has its own.
    pub const TIMER: Self = Self(0);
    /// Somebody asked the domain for its state (`xl debug-keys q`). Each vCPU has its own.
    pub const DEBUG: Self = Self(1);
}

/// What `callback_op` registers (`public/callback.h`).
#[derive(Clone, Copy)]
#[repr(u16)]
pub(crate) enum Callback {
    Event = 0,
    Failsafe = 1,
}

fn event_channel_op<T>(operation: u64, argument: &mut T) -> Result<(), Errno> {
    let address = (&raw mut *argument).expose_provenance() as u64;
    // SAFETY: private to this file, whose structures are Xen's for the operation; it writes only numbers into them.
    unsafe { hypercall(number::EVENT_CHANNEL_OP, [operation, address, 0, 0]) }.map(drop)
}

/// Opens a port that `remote` may bind to (`EVTCHNOP_alloc_unbound`).
pub(crate) fn allocate_unbound(remote: Domid) -> Result<Port, Errno> {
    #[repr(C)]
    struct AllocUnbound {
        domain: u16,
        remote: u16,
        port: u32,
    }
    let mut argument = AllocUnbound { domain: Domid::SELF.0, remote: remote.0, port: 0 };
    event_channel_op(6, &mut argument)?;
    Ok(Port(argument.port))
}

/// Opens a port to one that another domain has opened for us (`EVTCHNOP_bind_interdomain`). It is pending at once.
pub(crate) fn bind_interdomain(domain: Domid, remote: Port) -> Result<Port, Errno> {
    #[repr(C)]
    struct BindInterdomain {
        domain: u16,
        remote: u32,
        local: u32,
    }
    let mut argument = BindInterdomain { domain: domain.0, remote: remote.0, local: 0 };
    event_channel_op(0, &mut argument)?;
    Ok(Port(argument.local))
}

/// Opens a port for a virtual interrupt of a vCPU (`EVTCHNOP_bind_virq`).
pub(crate) fn bind_virq(virq: Virq, vcpu: u32) -> Result<Port, Errno> {
    let mut argument = [virq.0, vcpu, 0];
    event_channel_op(1, &mut argument)?;
    Ok(Port(argument[2]))
}

/// Opens a port by which any vCPU can interrupt this one (`EVTCHNOP_bind_ipi`).
pub(crate) fn bind_ipi(vcpu: u32) -> Result<Port, Errno> {
    let mut argument = [vcpu, 0];
    event_channel_op(7, &mut argument)?;
    Ok(Port(argument[1]))
}

/// Chooses the vCPU that a port interrupts (`EVTCHNOP_bind_vcpu`).
pub(crate) fn bind_vcpu(port: Port, vcpu: u32) -> Result<(), Errno> {
    event_channel_op(8, &mut [port.0, vcpu])
}

/// Closes a port (`EVTCHNOP_close`).
pub(crate) fn close(port: Port) -> Result<(), Errno> {
    event_channel_op(3, &mut { port.0 })
}

/// Unmasks a port, and sees to it that an event that is pending there is delivered (`EVTCHNOP_unmask`).
pub(crate) fn unmask(port: Port) -> Result<(), Errno> {
    event_channel_op(9, &mut { port.0 })
}

/// Has Xen deliver this vCPU's exceptions as the table says, which ends with an address of 0.
pub(crate) fn set_trap_table(table: &'static [TrapInfo]) -> Result<(), Errno> {
    let ends = table.last().is_some_and(|last| last.address == 0);
    assert!(ends, "a trap table without an end");
    let address = table.as_ptr().expose_provenance() as u64;
    // SAFETY: Xen only reads the table, as far as the entry that ends it.
    unsafe { hypercall(number::SET_TRAP_TABLE, [address, 0, 0, 0]) }.map(drop)
}

/// Has Xen call this vCPU at `address`, with events masked (`CALLBACKOP_register`).
///
/// # Safety
/// `address` must be that of an entry for this kind of callback.
pub(crate) unsafe fn register_callback(kind: Callback, address: u64) -> Result<(), Errno> {
    #[repr(C)]
    struct CallbackRegister {
        kind: u16,
        flags: u16,
        address: u64,
    }
    const CALLBACKOP_REGISTER: u64 = 0;
    const MASK_EVENTS: u16 = 1;
    let argument = CallbackRegister { kind: kind as u16, flags: MASK_EVENTS, address };
    let pointer = (&raw const argument).expose_provenance() as u64;
    // SAFETY: Xen reads the structure; the address is right by this function's contract.
    unsafe { hypercall(number::CALLBACK_OP, [CALLBACKOP_REGISTER, pointer, 0, 0]) }.map(drop)
}

/// Maps one page anew (`update_va_mapping`), and forgets its old translation on this vCPU.
///
/// # Safety
/// Nothing may rely on what was mapped at `address` before.
pub(crate) unsafe fn update_mapping(address: u64, entry: u64) -> Result<(), Errno> {
    const FLUSH_PAGE: u64 = 2; // UVMF_INVLPG
    // SAFETY: by this function's contract.
    unsafe { hypercall(number::UPDATE_VA_MAPPING, [address, entry, FLUSH_PAGE, 0]) }.map(drop)
}

/// Says where a vCPU's `struct vcpu_info` shall be from now on (`VCPUOP_register_vcpu_info`).
///
/// # Safety
/// The 64 bytes must stay there for ever, and nothing but single instructions of that vCPU may access them.
pub(crate) unsafe fn register_vcpu_info(vcpu: u32, frame: Mfn, offset: u32) -> Result<(), Errno> {
    const REGISTER_VCPU_INFO: u64 = 10;
    let argument: [u64; 2] = [frame.0, offset.into()];
    let pointer = argument.as_ptr().expose_provenance() as u64;
    // SAFETY: Xen reads the structure; the place is right by this function's contract.
    unsafe { hypercall(number::VCPU_OP, [REGISTER_VCPU_INFO, vcpu.into(), pointer, 0]) }.map(drop)
}

/// Ends the ticks that Xen gives every vCPU at its start (`VCPUOP_stop_periodic_timer`).
pub(crate) fn stop_periodic_timer(vcpu: u32) -> Result<(), Errno> {
    const STOP_PERIODIC_TIMER: u64 = 7;
    // SAFETY: takes no pointer.
    unsafe { hypercall(number::VCPU_OP, [STOP_PERIODIC_TIMER, vcpu.into(), 0, 0]) }.map(drop)
}

/// Has this vCPU's one-shot timer fire once Xen's time is `deadline`, instead of when it was told before
/// (`VCPUOP_set_singleshot_timer`). A deadline in the past fires at once.
pub(crate) fn set_one_shot_timer(vcpu: u32, deadline: u64) -> Result<(), Errno> {
    const SET_SINGLESHOT_TIMER: u64 = 8;
    /// Xen's time is signed: a larger number would be in the past.
    const LATEST: u64 = i64::MAX as u64;
    let argument: [u64; 2] = [deadline.min(LATEST), 0];
    let pointer = argument.as_ptr().expose_provenance() as u64;
    // SAFETY: Xen reads the structure.
    unsafe { hypercall(number::VCPU_OP, [SET_SINGLESHOT_TIMER, vcpu.into(), pointer, 0]) }.map(drop)
}

/// Unmasks this vCPU's events and sleeps until there is one (`SCHEDOP_block`), in one step as far as events can tell.
/// If one is pending already it returns at once.
pub(crate) fn block() {
    const SCHEDOP_BLOCK: u64 = 1;
    // SAFETY: takes no pointer. It can't fail.
    let _ = unsafe { hypercall(number::SCHED_OP, [SCHEDOP_BLOCK, 0, 0, 0]) };
}

/// Has the next instruction that uses the FPU raise an exception (`fpu_taskswitch`).
pub(crate) fn switch_off_fpu() {
    // SAFETY: takes no pointer. It can't fail.
    let _ = unsafe { hypercall(number::FPU_TASKSWITCH, [1, 0, 0, 0]) };
}

/// Sleeps until Xen's time is `deadline`, whatever events do meanwhile that are masked (`SCHEDOP_poll` without ports).
#[cfg(feature = "checks")]
pub(crate) fn poll_until(deadline: u64) {
    #[repr(C)]
    struct Poll {
        ports: u64,
        count: u32,
        timeout: u64,
    }
    const SCHEDOP_POLL: u64 = 3;
    let argument = Poll { ports: 0, count: 0, timeout: deadline };
    let pointer = (&raw const argument).expose_provenance() as u64;
    // SAFETY: Xen reads the structure, which names no ports.
    let _ = unsafe { hypercall(number::SCHED_OP, [SCHEDOP_POLL, pointer, 0, 0]) };
}
