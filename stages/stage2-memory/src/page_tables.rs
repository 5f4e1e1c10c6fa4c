//! Page tables: what is mapped at an address, and how to map more.
//!
//! An address is translated by four tables of 512 entries, from level 4 (the root) to level 1: nine bits of it for
//! each, from bit 39 down to bit 12, choose an entry, whose frame is the next table and at last the page. Under Xen
//! the kernel reads tables as memory but has Xen write them. Exercise 2b does both by means of two traits, [`Tables`]
//! to read and [`PageTables`] to change; the kernel implements them for its own tables, and the checks have their
//! own.
//!
//! Invariants: mapping and unmapping do all or nothing; what isn't mapped has an entry of exactly 0.

use core::fmt;

use console::Errno;
use console::types::{Mfn, PAGE_SIZE};
use x86_64::VirtAddr;

use crate::entry::{Entry, Flags};
use crate::layout;
use crate::mapping as exercise;

// ANCHOR: tables
/// Tables to read.
pub trait Tables {
    /// The table of level 4.
    fn root(&self) -> Mfn;
    /// Entry number `index`, 0 to 511, of a table.
    fn entry(&self, table: Mfn, index: usize) -> Entry;
}

/// Tables to change. Each function is one hypercall.
pub trait PageTables: Tables {
    /// Takes a frame for a table: empty, and no longer mapped for writing anywhere.
    ///
    /// # Errors
    /// If there is none.
    fn new_table(&mut self) -> Result<Mfn, MapError>;
    /// Sets adjacent entries of a table, from number `index` on, to these frames with these flags.
    ///
    /// # Errors
    /// If Xen refuses a frame: those before it are set, and the others not.
    fn set(&mut self, table: Mfn, index: usize, frames: &[Mfn], flags: Flags) -> Result<(), Refused>;
    /// Makes `count` adjacent entries of a table empty.
    fn clear(&mut self, table: Mfn, index: usize, count: usize);
}
// ANCHOR_END: tables

pub use crate::mmu::Refused;

/// What a walk through the tables came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walk {
    /// The entry of level 1 that maps the page.
    Mapped(Entry),
    /// The entry of this level, 4 to 1, is not present.
    Missing(u32),
}

/// Why pages can't be mapped, or unmapped. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// These are no addresses of pages that a guest may map.
    BadAddress,
    /// Something is mapped at this address already.
    AlreadyMapped(VirtAddr),
    /// Nothing is mapped at this address.
    NotMapped(VirtAddr),
    /// There is no memory for a table.
    OutOfMemory,
    /// Xen refused a frame: it is not ours, for example.
    Refused(Errno),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadAddress => f.write_str("not an address of pages that a guest may map"),
            Self::AlreadyMapped(address) => write!(f, "{:#x} is mapped already", address.as_u64()),
            Self::NotMapped(address) => write!(f, "{:#x} is not mapped", address.as_u64()),
            Self::OutOfMemory => f.write_str("out of memory for page tables"),
            Self::Refused(errno) => write!(f, "Xen refused: {errno}"),
        }
    }
}

impl core::error::Error for MapError {}

/// Follows an address through the tables; exercise 2b.
pub fn walk(tables: &impl Tables, address: VirtAddr) -> Walk {
    exercise::walk(tables, address)
}

/// Maps `frames` at adjacent pages from `address` on, all with these flags; exercise 2b.
///
/// Tables that are missing are made: a new one is hooked by [`PageTables::set`] with the flags
/// [`TABLE`](crate::entry::TABLE). Entries of one table that follow one another are set by one call.
///
/// # Errors
/// If a page is mapped already, a frame for a table is missing, or Xen refuses a frame. No page is mapped then that
/// wasn't before; tables may have been made.
pub fn map(tables: &mut impl PageTables, address: VirtAddr, frames: &[Mfn], flags: Flags) -> Result<(), MapError> {
    check(address, frames.len())?;
    exercise::map(tables, address, frames, flags)
}

/// Unmaps `count` adjacent pages from `address` on; exercise 2b.
///
/// The processor may remember them until it is told to flush.
///
/// # Errors
/// If one of them isn't mapped; then all stay as they are.
pub fn unmap(tables: &mut impl PageTables, address: VirtAddr, count: usize) -> Result<(), MapError> {
    check(address, count)?;
    exercise::unmap(tables, address, count)
}

fn check(address: VirtAddr, pages: usize) -> Result<(), MapError> {
    let start = address.as_u64();
    // The last byte, so that a run may end where addresses do.
    let last =
        (pages as u64).checked_mul(PAGE_SIZE as u64).and_then(|bytes| start.checked_add(bytes.saturating_sub(1)));
    match last {
        Some(last) if address.is_aligned(PAGE_SIZE as u64) && layout::is_ours(&(start..last)) => Ok(()),
        _ => Err(MapError::BadAddress),
    }
}
