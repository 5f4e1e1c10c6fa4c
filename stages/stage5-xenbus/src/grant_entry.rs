//! An entry of the grant table, and the list of those that are free.
//!
//! Follows `struct grant_entry_v1` in Xen's `public/grant_table.h`: eight bytes an entry,
//!
//! | offset | field | |
//! |---|---|---|
//! | 0 | `flags`, u16 | what is granted; Xen adds `READING` and `WRITING` while the frame is mapped |
//! | 2 | `domid`, u16 | to whom |
//! | 4 | `frame`, u32 | which machine frame |
//!
//! A domain grants access by filling an entry, and tells the other its number, the *grant reference*. Xen looks at the entry
//! when the other domain maps the frame, and not again: what is mapped stays mapped. So a grant is taken back in two
//! steps: make sure that nobody has it mapped, and make the entry void, both in one atomic operation, because between
//! two operations the other domain could map it.
//!
//! Invariant: an entry is Xen's as long as its flags aren't 0; the frame behind it isn't free for other uses until then.

use core::fmt;
use core::ops::Range;

use console::types::{Domid, Mfn};

use crate::grant as exercise;

/// Access is permitted (`GTF_permit_access`).
pub const PERMIT_ACCESS: u16 = 1;
/// For reading only (`GTF_readonly`).
pub const READ_ONLY: u16 = 4;
/// Set by Xen: the frame is mapped for reading (`GTF_reading`).
pub const READING: u16 = 8;
/// Set by Xen: the frame is mapped for writing (`GTF_writing`).
pub const WRITING: u16 = 16;

/// References that the domain's builder may have used: the console's page is 0, xenstore's 1
/// (`GNTTAB_NR_RESERVED_ENTRIES`).
pub const RESERVED: u32 = 8;

/// What another domain may do with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read it.
    ReadOnly,
    /// Read and write it.
    ReadWrite,
}

/// An entry of version 1 can't name a machine frame from 2^32 on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameTooHigh(pub Mfn);

/// The other domain has the frame mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

/// All references are in use, and the table can't grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoReferences;

impl fmt::Display for FrameTooHigh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "machine frame {:#x} is too high to be granted", self.0.0)
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other domain still has the frame mapped")
    }
}

impl fmt::Display for NoReferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all grant references are in use")
    }
}

impl core::error::Error for FrameTooHigh {}
impl core::error::Error for Busy {}
impl core::error::Error for NoReferences {}

// ANCHOR: entry
/// An entry of the table: what exercise 5a works on. The checks have one that notes each access.
pub trait Entry {
    /// Stores the frame.
    fn set_frame(&self, frame: u32);

    /// Stores the domain.
    fn set_domain(&self, domain: u16);

    /// Loads the flags. Xen changes them at any moment.
    fn flags(&self) -> u16;

    /// Stores the flags. What was stored before this call is visible to whoever sees them.
    fn publish(&self, flags: u16);

    /// Stores `new` if the flags are `expected`, in one operation.
    ///
    /// # Errors
    /// The flags, if they are others.
    fn compare_exchange(&self, expected: u16, new: u16) -> Result<(), u16>;
}
// ANCHOR_END: entry

// ANCHOR: free_list
/// The free references, each of which knows the next: a list that takes no memory but a word for each reference.
pub trait FreeList {
    /// The first free reference.
    fn first(&self) -> Option<u32>;

    /// Changes the first.
    fn set_first(&mut self, reference: Option<u32>);

    /// The free reference behind this one.
    ///
    /// # Panics
    /// If the table has no such reference.
    fn next(&self, reference: u32) -> Option<u32>;

    /// Changes what is behind a reference.
    ///
    /// # Panics
    /// If the table has no such reference.
    fn set_next(&mut self, reference: u32, next: Option<u32>);

    /// Makes the table larger. Returns its new references, or `None` if it is as large as it may be.
    fn grow(&mut self) -> Option<Range<u32>>;
}
// ANCHOR_END: free_list

/// Lets `domain` reach `frame`; exercise 5a. The flags are published last.
///
/// # Errors
/// [`FrameTooHigh`] for a frame that doesn't fit into 32 bits; the entry is then left alone.
pub fn grant(entry: &impl Entry, domain: Domid, frame: Mfn, access: Access) -> Result<(), FrameTooHigh> {
    exercise::grant(entry, domain, frame, access)
}

/// Takes a grant back, unless the other domain has the frame mapped; exercise 5a.
///
/// # Errors
/// [`Busy`] while it is mapped; nothing has changed then.
pub fn end(entry: &impl Entry) -> Result<(), Busy> {
    exercise::end(entry)
}

/// Takes a free reference; exercise 5a. None below [`RESERVED`] is ever returned.
///
/// # Errors
/// [`NoReferences`] if none is free and the table can't grow.
pub fn allocate(list: &mut impl FreeList) -> Result<u32, NoReferences> {
    exercise::allocate(list)
}

/// Makes a reference free; exercise 5a. It is the first to be taken again.
pub fn release(list: &mut impl FreeList, reference: u32) {
    exercise::release(list, reference);
}
