//! Reference for exercise 2b: walking the page tables, and mapping.

use console::types::{Mfn, PAGE_SIZE};
use x86_64::VirtAddr;

use crate::entry::{Flags, TABLE};
use crate::page_tables::{MapError, PageTables, Tables, Walk};

/// Follows an address through the tables.
pub fn walk(tables: &impl Tables, address: VirtAddr) -> Walk {
    let mut table = tables.root();
    for level in (1..=4).rev() {
        let entry = tables.entry(table, index(address, level));
        if !entry.is_present() {
            return Walk::Missing(level);
        }
        if level == 1 {
            return Walk::Mapped(entry);
        }
        table = entry.frame();
    }
    Walk::Missing(4)
}

/// Maps `frames` at adjacent pages from `address` on.
pub fn map(tables: &mut impl PageTables, address: VirtAddr, frames: &[Mfn], flags: Flags) -> Result<(), MapError> {
    for page in 0..frames.len() {
        if let Walk::Mapped(_) = walk(tables, at(address, page)) {
            return Err(MapError::AlreadyMapped(at(address, page)));
        }
    }
    let mut mapped = 0;
    while mapped < frames.len() {
        let here = at(address, mapped);
        let count = in_one_table(here, frames.len() - mapped);
        let set = level1(tables, here).and_then(|table| {
            tables.set(table, index(here, 1), &frames[mapped..mapped + count], flags).map_err(|refused| {
                mapped += refused.done;
                MapError::Refused(refused.errno)
            })
        });
        if let Err(error) = set {
            clear(tables, address, mapped);
            return Err(error);
        }
        mapped += count;
    }
    Ok(())
}

/// Unmaps `count` adjacent pages from `address` on.
pub fn unmap(tables: &mut impl PageTables, address: VirtAddr, count: usize) -> Result<(), MapError> {
    for page in 0..count {
        if let Walk::Missing(_) = walk(tables, at(address, page)) {
            return Err(MapError::NotMapped(at(address, page)));
        }
    }
    clear(tables, address, count);
    Ok(())
}

/// The table of level 1 for an address; those that are missing on the way are made.
fn level1(tables: &mut impl PageTables, address: VirtAddr) -> Result<Mfn, MapError> {
    let mut table = tables.root();
    for level in (2..=4).rev() {
        let index = index(address, level);
        let entry = tables.entry(table, index);
        table = if entry.is_present() {
            entry.frame()
        } else {
            let new = tables.new_table()?;
            tables.set(table, index, &[new], TABLE).map_err(|refused| MapError::Refused(refused.errno))?;
            new
        };
    }
    Ok(table)
}

/// Empties the entries of pages whose tables are there.
fn clear(tables: &mut impl PageTables, address: VirtAddr, count: usize) {
    let mut cleared = 0;
    while cleared < count {
        let here = at(address, cleared);
        let step = in_one_table(here, count - cleared);
        if let Ok(table) = level1(tables, here) {
            tables.clear(table, index(here, 1), step);
        }
        cleared += step;
    }
}

/// How many of `left` pages from `address` on have their entries in the same table of level 1.
fn in_one_table(address: VirtAddr, left: usize) -> usize {
    left.min(512 - index(address, 1))
}

fn index(address: VirtAddr, level: u32) -> usize {
    let index = match level {
        4 => address.p4_index(),
        3 => address.p3_index(),
        2 => address.p2_index(),
        _ => address.p1_index(),
    };
    index.into()
}

fn at(address: VirtAddr, page: usize) -> VirtAddr {
    address + (page * PAGE_SIZE) as u64
}
