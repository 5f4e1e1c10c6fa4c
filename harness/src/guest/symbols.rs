//! The symbol table that rides in the image, so that a backtrace has names on any Xen host.
//!
//! Format, all little endian: `u32` count; `u32` bytes of names; count times (`u32` start, `u32` size), start
//! counted from [`VIRT_BASE`] and ascending; then count NUL-terminated names in the same order. Invariant: it
//! never outgrows its budget. What doesn't fit is dropped, and a lookup then finds no entry that spans the
//! address.

use super::VIRT_BASE;
use super::elf::Linked;
use super::names;

/// One named stretch of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The first byte, from [`VIRT_BASE`].
    pub start: u32,
    /// Its length in bytes.
    pub size: u32,
    /// The short name.
    pub name: String,
}

impl Symbol {
    fn cost(&self) -> usize {
        8 + self.name.len() + 1
    }
}

/// Picks the functions to name within `budget` bytes: those of `own` crates first, each group by size.
pub fn select(linked: &Linked<'_>, own: &[String], budget: usize) -> Vec<Symbol> {
    let mut candidates: Vec<_> = linked
        .functions
        .iter()
        .filter_map(|function| {
            let start = u32::try_from(function.start.checked_sub(VIRT_BASE)?).ok()?;
            let size = u32::try_from(function.end - function.start).ok().filter(|size| *size > 0)?;
            let name = names::short(function.name);
            (!name.is_empty()).then_some((foreign(function.name, own), Symbol { start, size, name }))
        })
        .collect();
    candidates.sort_by(|(a, x), (b, y)| (a, y.size, x.start).cmp(&(b, x.size, y.start)));
    let mut left = budget.saturating_sub(HEADER);
    let mut chosen: Vec<_> = candidates
        .into_iter()
        .filter_map(|(_, symbol)| {
            left = left.checked_sub(symbol.cost())?;
            Some(symbol)
        })
        .collect();
    chosen.sort_by_key(|symbol| symbol.start);
    chosen
}

const HEADER: usize = 8;

/// The table of `symbols`, which are sorted by start.
pub fn encode(symbols: &[Symbol]) -> Vec<u8> {
    let names: usize = symbols.iter().map(|symbol| symbol.name.len() + 1).sum();
    let mut table = Vec::with_capacity(HEADER + symbols.len() * 8 + names);
    table.extend((symbols.len() as u32).to_le_bytes());
    table.extend((names as u32).to_le_bytes());
    for symbol in symbols {
        table.extend(symbol.start.to_le_bytes());
        table.extend(symbol.size.to_le_bytes());
    }
    for symbol in symbols {
        table.extend(symbol.name.bytes().filter(|byte| *byte != 0));
        table.push(0);
    }
    table
}

/// Whether a function comes from a crate that isn't ours. A name without a path was given by hand.
fn foreign(mangled: &str, own: &[String]) -> bool {
    let full = names::full(mangled);
    let path = names::path(&full);
    match path.split_once("::") {
        // `<&T as Trait>::f` may be anybody's; the crate is then somewhere in the name.
        Some((first, _)) => !own.iter().any(|name| name == first),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_back() {
        let symbols = [
            Symbol { start: 0, size: 16, name: "_start".into() },
            Symbol { start: 0x40, size: 8, name: "console::boot".into() },
        ];
        let table = encode(&symbols);
        let word = |at: usize| u32::from_le_bytes(table[at..at + 4].try_into().unwrap());
        assert_eq!((word(0), word(4)), (2, 21));
        assert_eq!((word(8), word(12), word(16), word(20)), (0, 16, 0x40, 8));
        assert_eq!(&table[24..], b"_start\0console::boot\0");
    }

    #[test]
    fn crates_are_told_by_their_first_name() {
        let own = ["console".to_owned()];
        assert!(!foreign("_ZN7console4boot17h0123456789abcdefE", &own));
        assert!(foreign("_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE", &own));
        assert!(!foreign("_start", &own));
    }
}
