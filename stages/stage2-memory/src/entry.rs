//! A page table's entry.
//!
//! Follows the processor's format: flags in the lowest and highest twelve bits, the frame between. Under Xen the
//! frame is a *machine* frame. Xen sets bits of its own in what it stores (`USER` and bit 52, for example), so an
//! entry that is read back differs from the one that was written. Invariant: no kernel mapping is both writable and
//! executable.

use core::fmt;

use console::types::Mfn;
pub use x86_64::structures::paging::PageTableFlags as Flags;

/// One entry.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry(u64);

const FRAME: u64 = 0x000f_ffff_ffff_f000;

impl Entry {
    /// An entry that maps nothing.
    pub const EMPTY: Self = Self(0);

    /// An entry for this frame.
    pub const fn new(frame: Mfn, flags: Flags) -> Self {
        Self(frame.0 << 12 & FRAME | flags.bits())
    }

    /// An entry as it was read.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The entry as it is stored.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether it maps anything.
    pub const fn is_present(self) -> bool {
        self.0 & Flags::PRESENT.bits() != 0
    }

    /// The frame: of a page in a table of level 1, of a table in any other.
    pub const fn frame(self) -> Mfn {
        Mfn((self.0 & FRAME) >> 12)
    }

    /// The flags, Xen's among them.
    pub const fn flags(self) -> Flags {
        Flags::from_bits_truncate(self.0)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({:#x})", self.0)
    }
}

/// The flags of an entry that leads to another table. The last level decides what a page may be used for.
pub const TABLE: Flags =
    Flags::PRESENT.union(Flags::WRITABLE).union(Flags::USER_ACCESSIBLE).union(Flags::ACCESSED).union(Flags::DIRTY);

/// What a page is for. Data can't be executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It can only be read.
    Read,
    /// It can be read and written.
    ReadWrite,
}

impl Access {
    /// The flags of a page with this access.
    pub const fn flags(self) -> Flags {
        const READ: Flags = Flags::PRESENT.union(Flags::ACCESSED).union(Flags::NO_EXECUTE);
        match self {
            Self::Read => READ,
            Self::ReadWrite => READ.union(Flags::WRITABLE).union(Flags::DIRTY),
        }
    }
}
