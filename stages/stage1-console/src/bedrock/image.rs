//! Where the parts of the image lie.
//!
//! The linker script (`link.ld`) sets a symbol at each border; only their addresses mean anything. Invariant: the
//! parts are whole pages, in the order text, rodata, data, symbol table.

use core::fmt;
use core::ops::Range;

use super::symbols;

/// The parts of the running image, as virtual addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Instructions: readable and executable.
    pub text: Range<u64>,
    /// Constants: readable.
    pub rodata: Range<u64>,
    /// Variables, the boot stack among them: readable and writable.
    pub data: Range<u64>,
    /// The symbol table that the harness adds behind the data: readable. Empty where there is none.
    pub symbols: Range<u64>,
}

impl Image {
    /// The image that is running. (In a host build, which Xen doesn't boot, all parts are empty.)
    pub fn running() -> Self {
        let [text_start, text_end, rodata_start, rodata_end, data_start, end] = borders();
        Self {
            text: text_start..text_end,
            rodata: rodata_start..rodata_end,
            data: data_start..end,
            symbols: symbols::table_range(),
        }
    }

    /// The first address behind the image.
    pub fn end(&self) -> u64 {
        self.data.end.max(self.symbols.end)
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "text {:#x}..{:#x} rodata ..{:#x} data ..{:#x} end {:#x}",
            self.text.start,
            self.text.end,
            self.rodata.end,
            self.data.end,
            self.end()
        )
    }
}

#[cfg(guest)]
fn borders() -> [u64; 6] {
    unsafe extern "C" {
        static _text_start: u8;
        static _text_end: u8;
        static _rodata_start: u8;
        static _rodata_end: u8;
        static _data_start: u8;
        static _end: u8;
    }
    [
        &raw const _text_start,
        &raw const _text_end,
        &raw const _rodata_start,
        &raw const _rodata_end,
        &raw const _data_start,
        &raw const _end,
    ]
    .map(|border| border.addr() as u64)
}

#[cfg(not(guest))]
fn borders() -> [u64; 6] {
    [0; 6]
}
