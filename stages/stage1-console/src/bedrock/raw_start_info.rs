//! The few fields of `start_info` that the bedrock needs before anything else works.
//!
//! Follows `struct start_info` in Xen's `public/xen.h`. Exercise 1b parses the whole page with checks; this
//! reads single words without, because it must work when that exercise does not. Invariant: only volatile reads, within
//! the size of the structure.

use crate::types::{Mfn, Port};

/// Bytes in `struct start_info`.
pub const START_INFO_SIZE: usize = 0x490;

/// Offset and bytes of the command line, which ends at its first NUL.
#[cfg(feature = "checks")]
pub(super) const COMMAND_LINE: core::ops::Range<usize> = 0x80..0x480;

/// The page that Xen passed to the entry point.
#[derive(Clone, Copy)]
pub(super) struct RawStartInfo {
    address: u64,
}

impl RawStartInfo {
    /// Takes the value that rsi had at entry.
    ///
    /// # Safety
    /// `address` must be what Xen passed: a mapped, page-aligned `struct start_info` that stays in place.
    pub(super) unsafe fn new(address: u64) -> Self {
        Self { address }
    }

    pub(super) fn nr_pages(self) -> u64 {
        self.word(0x20)
    }

    pub(super) fn console_mfn(self) -> Mfn {
        Mfn(self.word(0x48))
    }

    pub(super) fn console_port(self) -> Port {
        Port(self.word(0x50) as u32)
    }

    /// The address of the first page table page; they follow one another.
    pub(super) fn pt_base(self) -> u64 {
        self.word(0x58)
    }

    pub(super) fn nr_pt_frames(self) -> u64 {
        self.word(0x60)
    }

    /// The address of the list that holds the machine frame of each of our frames.
    pub(super) fn mfn_list(self) -> u64 {
        self.word(0x68)
    }

    /// The whole structure, for code that parses it properly.
    pub(super) fn copy(self) -> [u8; START_INFO_SIZE] {
        core::array::from_fn(|offset| self.byte(offset))
    }

    pub(super) fn byte(self, offset: usize) -> u8 {
        assert!(offset < START_INFO_SIZE);
        // SAFETY: `new` promises a mapped structure, and the offset is within it.
        unsafe { (self.address as *const u8).wrapping_add(offset).read_volatile() }
    }

    #[cfg(feature = "checks")]
    pub(super) fn set_byte(self, offset: usize, value: u8) {
        assert!(offset < START_INFO_SIZE);
        // SAFETY: `new` promises a mapped structure, the offset is within it, and the page is the guest's own.
        unsafe { (self.address as *mut u8).wrapping_add(offset).write_volatile(value) }
    }

    // In line, each of its callers would have eight bounds checks: most of a KiB of an image that is to be small.
    #[inline(never)]
    fn word(self, offset: usize) -> u64 {
        u64::from_le_bytes(core::array::from_fn(|index| self.byte(offset + index)))
    }
}
