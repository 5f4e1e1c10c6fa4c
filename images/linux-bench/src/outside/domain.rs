//! Lets a domain run that was made paused.
//!
//! Follows Xen's `public/domctl.h` and Linux's `include/uapi/xen/privcmd.h`. `xl unpause` does the same, but takes a few
//! hundred milliseconds, and nobody knows when in these the guest began.

use rustix::io::Errno;
use rustix::ioctl::{Setter, ioctl, opcode};
use std::fs::File;

/// `__HYPERVISOR_domctl`.
const DOMCTL: u64 = 36;
/// `XEN_DOMCTL_unpausedomain`.
const UNPAUSE: u32 = 4;
/// `IOCTL_PRIVCMD_HYPERCALL`.
const HYPERCALL: u32 = opcode::none(b'P', 0) | (size_of::<Hypercall>() as u32) << 16;
/// `XEN_DOMCTL_INTERFACE_VERSION` of Xen 4.11 and of some Xen to come. Each Xen takes its own one alone.
const VERSIONS: std::ops::RangeInclusive<u32> = 0x10..=0x20;

/// `struct privcmd_hypercall`.
#[repr(C)]
struct Hypercall {
    number: u64,
    arguments: [u64; 5],
}

/// `struct xen_domctl`.
#[repr(C)]
struct Domctl {
    command: u32,
    version: u32,
    domain: u16,
    padding: [u16; 3],
    more: [u64; 16],
}

/// From here on the domain runs.
pub fn unpause(domain: u16) -> Result<(), String> {
    let file = File::options().read(true).write(true).open("/dev/xen/privcmd");
    let file = file.map_err(|error| format!("/dev/xen/privcmd: {error}"))?;
    for version in VERSIONS {
        let command = Domctl { command: UNPAUSE, version, domain, padding: [0; 3], more: [0; 16] };
        let address = (&raw const command).expose_provenance() as u64;
        let hypercall = Hypercall { number: DOMCTL, arguments: [address, 0, 0, 0, 0] };
        // SAFETY: this is the structure that goes with this number.
        let hypercall = unsafe { Setter::<HYPERCALL, Hypercall>::new(hypercall) };
        // SAFETY: Xen reads the command, which is there.
        match unsafe { ioctl(&file, hypercall) } {
            Ok(()) => return Ok(()),
            Err(Errno::ACCESS) => {} // another version
            Err(error) => return Err(format!("domain {domain} can't be unpaused: {error}")),
        }
    }
    Err("this Xen's interface for toolstacks is a new one".into())
}
