//! Exercise 2b: walking the page tables, and mapping. (Its reference is solutions/stage2-memory/mapping.rs.)
//!
//! [`page_tables`](crate::page_tables) has the traits to read and to change tables. [`VirtAddr`] knows the four indexes
//! of an address (`p4_index` to `p1_index`).

use console::lab_todo;
use console::types::Mfn;
use x86_64::VirtAddr;

use crate::entry::Flags;
use crate::page_tables::{MapError, PageTables, Tables, Walk};

/// Follows an address through the tables, from the root: to the entry of level 1, or to the first that is not present.
pub fn walk(tables: &impl Tables, address: VirtAddr) -> Walk {
    lab_todo!("2b", tables, address)
}

/// Maps `frames` at adjacent pages from `address` on. (The addresses are checked: they are pages that a guest may map.)
///
/// - If one of the pages is mapped already: `AlreadyMapped` with the address of the first such, and nothing has
///   changed.
/// - Make the tables that are missing, and hook each, with the flags `TABLE`, before you make the next.
/// - Entries that follow one another in one table of level 1 are one call of `set`.
/// - If there is no table to be had, or Xen refuses a frame, return that error, and leave none of the pages mapped.
pub fn map(tables: &mut impl PageTables, address: VirtAddr, frames: &[Mfn], flags: Flags) -> Result<(), MapError> {
    lab_todo!("2b", tables, address, frames, flags)
}

/// Unmaps `count` adjacent pages from `address` on.
///
/// - If one of them isn't mapped: `NotMapped` with the address of the first such, and nothing has changed.
/// - Entries that follow one another in one table are one call of `clear`.
pub fn unmap(tables: &mut impl PageTables, address: VirtAddr, count: usize) -> Result<(), MapError> {
    lab_todo!("2b", tables, address, count)
}
