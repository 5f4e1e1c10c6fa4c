//! A thread's name: a short text that needs no memory of its own.
//!
//! Invariant: the bytes are UTF-8.

use core::fmt;

const MOST: usize = 31;

/// Up to 31 bytes of text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; MOST],
    length: u8,
}

impl Name {
    /// As much of `text` as fits.
    pub fn new(text: &str) -> Self {
        let length = text.floor_char_boundary(MOST);
        let mut bytes = [0; MOST];
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self { bytes, length: length as u8 }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let long = "\u{e4}".repeat(20);
        assert_eq!(Name::new(&long).as_str(), "\u{e4}".repeat(15));
        assert_eq!(Name::new("main").as_str(), "main");
        assert_eq!(Name::new("").as_str(), "");
    }
}
