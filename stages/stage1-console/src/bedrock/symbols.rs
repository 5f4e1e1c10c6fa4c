//! Names for addresses: the symbol table that the harness adds to the image.
//!
//! The table is a segment of its own behind the image; its address and length are in `symbol_table_descriptor`, two
//! u64 that are 0 in an image without a table. It holds
//!
//! - u32 `count`, u32 `names_bytes`;
//! - `count` pairs of u32: where a function starts, counted from `VIRT_BASE`, and its bytes; sorted by start;
//! - `count` NUL-terminated names, in the same order.
//!
//! Invariant: a damaged table yields no name or a wrong one, never a fault or a panic: every access is within
//! the length of the descriptor.

use core::ops::Range;

use crate::types::VIRT_BASE;

// The harness writes the descriptor after the compiler is done with it, so it is read as something that may change.
#[cfg(guest)]
core::arch::global_asm!(
    r#"
    .section .rodata.symbol_table_descriptor, "a", @progbits
    .balign 16
    .global symbol_table_descriptor
symbol_table_descriptor:
    .quad 0, 0
    .text
    "#
);

/// A function's name, and how far into it an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// The function's short name.
    pub name: &'a str,
    /// Bytes from its start.
    pub offset: u64,
}

/// The function that an address of the running image lies in, if the table names it.
pub fn lookup(address: u64) -> Option<Symbol<'static>> {
    lookup_in(table(), address)
}

/// Where the table lies; an empty range where there is none.
pub(super) fn table_range() -> Range<u64> {
    let [start, length] = descriptor();
    start..start.saturating_add(length)
}

fn table() -> &'static [u8] {
    let [start, length] = descriptor();
    if start == 0 {
        return &[];
    }
    // SAFETY: the harness made the descriptor for this very image; the segment is loaded with it and never changes.
    unsafe { core::slice::from_raw_parts(start as *const u8, length as usize) }
}

/// Looks an address up in a table given as bytes.
fn lookup_in(table: &[u8], address: u64) -> Option<Symbol<'_>> {
    let wanted = address.checked_sub(VIRT_BASE)?;
    let count = word(table, 0)? as usize;
    let entry = |index: usize| Some((u64::from(word(table, 2 + 2 * index)?), u64::from(word(table, 3 + 2 * index)?)));

    // The last entry that starts at or before the address.
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if entry(middle)?.0 <= wanted {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let index = low.checked_sub(1)?;
    let (start, size) = entry(index)?;
    let offset = wanted - start;
    if offset >= size {
        return None;
    }
    let names = table.get(count.checked_mul(8)?.checked_add(8)?..)?;
    let name = names.split(|byte| *byte == 0).nth(index)?;
    Some(Symbol { name: core::str::from_utf8(name).ok()?, offset })
}

fn word(table: &[u8], index: usize) -> Option<u32> {
    let bytes = table.get(index.checked_mul(4)?..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(guest)]
fn descriptor() -> [u64; 2] {
    unsafe extern "C" {
        static symbol_table_descriptor: [u64; 2];
    }
    // SAFETY: the symbol is defined above, and nothing writes it at run time.
    unsafe { (&raw const symbol_table_descriptor).read_volatile() }
}

#[cfg(not(guest))]
fn descriptor() -> [u64; 2] {
    [0; 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> std::vec::Vec<u8> {
        let mut table = std::vec::Vec::new();
        for word in [2u32, 0, 0x1000, 0x20, 0x2000, 0x10] {
            table.extend(word.to_le_bytes());
        }
        table.extend(b"first\0second\0");
        table
    }

    #[test]
    fn an_address_within_a_function_is_named() {
        let found = |address| lookup_in(&sample(), VIRT_BASE + address).map(|symbol| symbol.offset);
        assert_eq!(lookup_in(&sample(), VIRT_BASE + 0x2004).map(|symbol| symbol.name.len()), Some(6));
        assert_eq!(found(0x1000), Some(0));
        assert_eq!(found(0x101f), Some(0x1f));
        assert_eq!(found(0x1020), None);
        assert_eq!(found(0xfff), None);
        assert_eq!(found(0x2010), None);
    }

    #[test]
    fn a_damaged_table_is_survived() {
        let whole = sample();
        for length in 0..whole.len() {
            let _ = lookup_in(&whole[..length], VIRT_BASE + 0x2004);
        }
        assert_eq!(lookup_in(&[0xff; 64], VIRT_BASE + 0x2004), None);
    }
}
