//! Hypercalls: the one way to ask Xen for something, and the first few questions.
//!
//! Follows Xen's `public/xen.h`, `version.h`, `vcpu.h`, `sched.h` and `event_channel.h`. The instruction itself
//! and the decoding of its result are exercise 1c; everything else of the kernel goes through [`hypercall`].
//!
//! Invariant: a result is either a value or an [`Errno`]; nobody above sees the raw number.

use crate::types::Port;
use crate::{Errno, hypercall as exercise};

/// The numbers of the hypercalls (`public/xen.h`) that the kernel makes.
#[allow(missing_docs, reason = "named as in the header")]
pub mod number {
    pub const MMU_UPDATE: u64 = 1;
    pub const MEMORY_OP: u64 = 12;
    pub const XEN_VERSION: u64 = 17;
    pub const GRANT_TABLE_OP: u64 = 20;
    pub const VCPU_OP: u64 = 24;
    pub const MMUEXT_OP: u64 = 26;
    pub const SCHED_OP: u64 = 29;
    pub const EVENT_CHANNEL_OP: u64 = 32;
}

// ANCHOR: hypercall
/// Makes a hypercall; exercise 1c.
///
/// `arguments` are the first to the fourth, in this order; what a hypercall doesn't take is ignored. (None that
/// this Xen offers takes a fifth.) Pointers among them are virtual addresses of mapped memory.
///
/// # Errors
/// What Xen answers; [`Errno::ENOSYS`] for a number that it doesn't know.
///
/// # Safety
/// As the hypercall demands: pointers must be to memory of the size it reads or writes, and what it changes (mappings,
/// for example) must not break what Rust relies on.
pub unsafe fn hypercall(number: u64, arguments: [u64; 4]) -> Result<u64, Errno> {
    // SAFETY: by this function's contract.
    decode(unsafe { exercise::call(number, arguments) })
}
// ANCHOR_END: hypercall

/// Tells a hypercall's value from an error; exercise 1c.
///
/// # Errors
/// For `raw` in -4095..=-1: the error with that number. Any other result, negative or not, is a value.
pub fn decode(raw: i64) -> Result<u64, Errno> {
    exercise::decode(raw)
}

/// Which release of Xen this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    /// 4 in Xen 4.17.
    pub major: u16,
    /// 17 in Xen 4.17.
    pub minor: u16,
}

/// Asks which release of Xen this is.
///
/// # Errors
/// None that Xen documents.
pub fn version() -> Result<Version, Errno> {
    const XENVER_VERSION: u64 = 0;
    // SAFETY: this sub-operation takes no pointer and changes nothing.
    let packed = unsafe { hypercall(number::XEN_VERSION, [XENVER_VERSION, 0, 0, 0]) }?;
    Ok(Version { major: (packed >> 16) as u16, minor: packed as u16 })
}

/// Bytes in the list of capabilities, the NUL included (`xen_capabilities_info_t`).
pub const CAPABILITIES_SIZE: usize = 1024;

/// Asks which kinds of guest this Xen runs: names such as `xen-3.0-x86_64`, with spaces between.
///
/// # Errors
/// None that Xen documents.
pub fn capabilities(buffer: &mut [u8; CAPABILITIES_SIZE]) -> Result<&str, Errno> {
    const XENVER_CAPABILITIES: u64 = 3;
    let address = buffer.as_mut_ptr().expose_provenance() as u64;
    // SAFETY: Xen writes a NUL-terminated text of at most this size.
    unsafe { hypercall(number::XEN_VERSION, [XENVER_CAPABILITIES, address, 0, 0]) }?;
    let text = buffer.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(core::str::from_utf8(text).unwrap_or_default().trim_end())
}

/// Counts the domain's vCPUs, those that don't run yet included.
pub fn vcpu_count() -> u32 {
    const VCPUOP_IS_UP: u64 = 3;
    const MOST: u32 = 8192; // what a domain may have at the very most
    // SAFETY: the question takes no pointer and changes nothing. Xen has no answer for a vCPU behind the last.
    let exists = |id: &u32| unsafe { hypercall(number::VCPU_OP, [VCPUOP_IS_UP, u64::from(*id), 0, 0]) }.is_ok();
    (0..MOST).take_while(exists).count() as u32
}

/// Lets others use the processor.
pub fn yield_now() {
    const SCHEDOP_YIELD: u64 = 0;
    // SAFETY: yielding takes no pointer and changes nothing. It can't fail.
    let _ = unsafe { hypercall(number::SCHED_OP, [SCHEDOP_YIELD, 0, 0, 0]) };
}

// ANCHOR: notify
/// Sends an event to the other end of an event channel.
///
/// # Errors
/// [`Errno::EINVAL`] if the channel is closed.
pub fn notify(port: Port) -> Result<(), Errno> {
    const EVTCHNOP_SEND: u64 = 4;
    let address = (&raw const port.0).expose_provenance() as u64;
    // SAFETY: the argument is a `struct evtchn_send`, one u32, which Xen only reads.
    unsafe { hypercall(number::EVENT_CHANNEL_OP, [EVTCHNOP_SEND, address, 0, 0]) }.map(|_| ())
}
// ANCHOR_END: notify
