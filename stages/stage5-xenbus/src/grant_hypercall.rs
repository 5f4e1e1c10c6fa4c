//! The hypercall of the grant table.
//!
//! Follows `GNTTABOP_*` in Xen's `public/grant_table.h`. Invariant: the hypercall's result says only that the operations were looked
//! at; how each went is in its own status, and both are checked.

use alloc::vec::Vec;

use console::Errno;
use console::types::{Domid, Mfn};
use console::xen::{hypercall, number};

const SETUP_TABLE: u64 = 2;
const QUERY_SIZE: u64 = 6;

/// What a status of `GNTST_*` means.
pub fn status_name(status: i16) -> &'static str {
    match status {
        -2 => "there is no such domain",
        -3 => "no such reference is granted to this domain",
        -4 => "no such mapping",
        -5 => "not an address that can be mapped",
        -7 => "no room for one more mapping",
        -8 => "not permitted",
        -9 => "not a page that can be granted",
        -10 => "the bytes to copy are not within a page",
        -12 => "not now",
        -13 => "the table is full",
        _ => "for no reason that it tells",
    }
}

/// Makes one hypercall with an array of operations.
///
/// # Safety
/// `T` must be laid out as the operation's structure, and what the operations do must not break what Rust relies on.
pub(crate) unsafe fn operate<T>(operation: u64, operations: &mut [T]) -> Result<(), Errno> {
    let pointer = operations.as_mut_ptr().expose_provenance() as u64;
    // SAFETY: by this function's contract.
    unsafe { hypercall(number::GRANT_TABLE_OP, [operation, pointer, operations.len() as u64, 0]) }.map(drop)
}

/// How many frames the table may have at most.
pub(crate) fn most_frames() -> Result<u32, Errno> {
    #[repr(C)]
    struct QuerySize {
        domain: u16,
        frames: u32,
        most: u32,
        status: i16,
    }
    let mut query = [QuerySize { domain: Domid::SELF.0, frames: 0, most: 0, status: 0 }];
    // SAFETY: laid out as `struct gnttab_query_size`; Xen writes the last three fields.
    unsafe { operate(QUERY_SIZE, &mut query) }?;
    if query[0].status == 0 { Ok(query[0].most) } else { Err(Errno::EINVAL) }
}

/// Gives the table so many frames, and returns all of them.
pub(crate) fn set_up(frames: u32) -> Result<Vec<Mfn>, Errno> {
    #[repr(C)]
    struct SetupTable {
        domain: u16,
        frames: u32,
        status: i16,
        list: u64,
    }
    let mut list = Vec::new();
    list.try_reserve_exact(frames as usize).map_err(|_| Errno::EINVAL)?;
    list.resize(frames as usize, 0_u64);
    let pointer = list.as_mut_ptr().expose_provenance() as u64;
    let mut setup = [SetupTable { domain: Domid::SELF.0, frames, status: 0, list: pointer }];
    // SAFETY: laid out as `struct gnttab_setup_table`; Xen writes the status, and a u64 for each frame.
    unsafe { operate(SETUP_TABLE, &mut setup) }?;
    if setup[0].status == 0 { Ok(list.into_iter().map(Mfn).collect()) } else { Err(Errno::EINVAL) }
}
