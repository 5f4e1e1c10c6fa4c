//! Exercise 5a: grants. (Its reference is solutions/stage5-xenbus/grant.rs.)
//!
//! [`grant_entry`](crate::grant_entry) describes an entry of the table and the list of those that are free.

use console::lab_todo;
use console::types::{Domid, Mfn};

use crate::grant_entry::{Access, Busy, Entry, FrameTooHigh, FreeList, NoReferences};

/// Lets `domain` reach `frame`.
///
/// - An entry has 32 bits for the frame. A higher one: `FrameTooHigh`, and the entry is left alone.
/// - Store the frame and the domain first. Publish the flags last, once: from then on Xen believes the entry.
/// - The flags are `PERMIT_ACCESS`, with `READ_ONLY` where the domain may only read.
pub fn grant(entry: &impl Entry, domain: Domid, frame: Mfn, access: Access) -> Result<(), FrameTooHigh> {
    lab_todo!("5a", entry, domain, frame, access)
}

/// Takes a grant back.
///
/// - While `READING` or `WRITING` is in the flags, the other domain has the frame mapped: `Busy`, and nothing changes.
/// - Otherwise make the flags 0 by a compare-and-exchange with exactly the flags that you looked at. If it fails, they
///   have changed: look again at what it found.
pub fn end(entry: &impl Entry) -> Result<(), Busy> {
    lab_todo!("5a", entry)
}

/// Takes a reference off the list of free ones: the first.
///
/// - If the list is empty, ask the table to grow. It returns the range of its new references: put them on the list in such a
///   way that the lowest is first, then take that.
/// - The lowest `RESERVED` references are the domain builder's. They never go on the list.
/// - If the table can't grow: `NoReferences`.
pub fn allocate(list: &mut impl FreeList) -> Result<u32, NoReferences> {
    lab_todo!("5a", list)
}

/// Puts a reference back: it will be the first to be taken.
pub fn release(list: &mut impl FreeList, reference: u32) {
    lab_todo!("5a", list, reference)
}
