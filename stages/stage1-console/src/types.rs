//! Numbers that must not be mixed up.
//!
//! A paravirtualised guest deals with two numberings of the same memory. It counts its own frames from 0, the
//! *pseudo-physical* frame numbers, while page tables and hypercalls name the frames of the real machine. Each
//! has a type here, so that handing over one for the other does not compile. Names follow Xen's
//! `public/xen.h`.

use core::fmt;

/// Bytes in a page, and in a frame.
pub const PAGE_SIZE: usize = 4096;

/// Where page 0 of the guest is mapped, as our ELF notes ask.
pub const VIRT_BASE: u64 = 0xffff_ffff_8000_0000;

// ANCHOR: frames
/// A pseudo-physical frame number: this guest's own count of its frames, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Pfn(pub u64);

impl Pfn {
    /// Where the boot mapping shows this frame.
    pub const fn boot_address(self) -> u64 {
        VIRT_BASE + self.0 * PAGE_SIZE as u64
    }
}

/// A machine frame number: a frame of the real machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mfn(pub u64);
// ANCHOR_END: frames

/// A machine address, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineAddress(pub u64);

impl fmt::Debug for MachineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineAddress({:#x})", self.0)
    }
}

/// An event channel of this domain. 0 is never a valid one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Port(pub u32);

/// A domain number, or one of the special ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Domid(pub u16);

impl Domid {
    /// Whoever makes the hypercall.
    pub const SELF: Self = Self(0x7ff0);
}
