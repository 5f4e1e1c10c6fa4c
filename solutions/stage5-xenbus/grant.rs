//! Reference for exercise 5a: grants.

use console::types::{Domid, Mfn};

use crate::grant_entry::{
    Access, Busy, Entry, FrameTooHigh, FreeList, NoReferences, PERMIT_ACCESS, READ_ONLY, READING, RESERVED, WRITING,
};

/// Lets `domain` reach `frame`.
pub fn grant(entry: &impl Entry, domain: Domid, frame: Mfn, access: Access) -> Result<(), FrameTooHigh> {
    let frame = u32::try_from(frame.0).map_err(|_| FrameTooHigh(frame))?;
    let flags = match access {
        Access::ReadWrite => PERMIT_ACCESS,
        Access::ReadOnly => PERMIT_ACCESS | READ_ONLY,
    };
    entry.set_frame(frame);
    entry.set_domain(domain.0);
    entry.publish(flags);
    Ok(())
}

/// Takes a grant back.
pub fn end(entry: &impl Entry) -> Result<(), Busy> {
    let mut flags = entry.flags();
    loop {
        if flags & (READING | WRITING) != 0 {
            return Err(Busy);
        }
        match entry.compare_exchange(flags, 0) {
            Ok(()) => return Ok(()),
            Err(found) => flags = found,
        }
    }
}

/// Takes a reference off the list of free ones.
pub fn allocate(list: &mut impl FreeList) -> Result<u32, NoReferences> {
    if list.first().is_none() {
        let new = list.grow().ok_or(NoReferences)?;
        // Backwards, so that the lowest ends up in front.
        for reference in new.rev().filter(|reference| *reference >= RESERVED) {
            release(list, reference);
        }
    }
    let reference = list.first().ok_or(NoReferences)?;
    list.set_first(list.next(reference));
    Ok(reference)
}

/// Puts a reference back.
pub fn release(list: &mut impl FreeList, reference: u32) {
    list.set_next(reference, list.first());
    list.set_first(Some(reference));
}
