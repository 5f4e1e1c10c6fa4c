//! What a disk is called: `xvda`, `xvdb`, and so on.
//!
//! Follows `docs/man/xen-vbd-interface.7.pandoc` of Xen. Xenstore has a number, in which the name that the toolstack was given is
//! hidden: 202 * 256 + 16 * disk + partition, or 2^28 + 256 * disk + partition where that is too small.
//!
//! Invariant: two numbers never have the same name.

use core::fmt;
use core::fmt::Write;

/// A disk's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    bytes: [u8; Self::MOST],
    length: u8,
}

impl Name {
    const MOST: usize = 16;
    const XVD: u64 = 202;
    const EXTENDED: u64 = 1 << 28;

    /// The name as it is written. What is too long for any name is cut.
    pub fn new(text: &str) -> Self {
        let mut name = Self { bytes: [0; Self::MOST], length: 0 };
        let _ = name.write_str(text);
        name
    }

    /// The name of the disk with this number.
    pub fn of(number: u64) -> Self {
        let mut name = Self { bytes: [0; Self::MOST], length: 0 };
        let (disk, partition) = match number {
            _ if (Self::EXTENDED..2 * Self::EXTENDED).contains(&number) => {
                ((number - Self::EXTENDED) >> 8, number & 0xff)
            }
            _ if number >> 8 == Self::XVD => ((number & 0xff) >> 4, number & 0xf),
            _ => {
                let _ = write!(name, "vbd-{number}");
                return name;
            }
        };
        let _ = name.write_str("xvd");
        name.letters(disk);
        if partition > 0 {
            let _ = write!(name, "{partition}");
        }
        name
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length.into()]).unwrap_or("?")
    }

    /// a to z, then aa, ab and so on.
    fn letters(&mut self, disk: u64) {
        if disk >= 26 {
            self.letters(disk / 26 - 1);
        }
        let _ = self.write_char(char::from(b'a' + (disk % 26) as u8));
    }
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let end = usize::from(self.length) + character.len_utf8();
            if end > Self::MOST {
                break;
            }
            character.encode_utf8(&mut self.bytes[self.length.into()..end]);
            self.length = end as u8;
        }
        Ok(())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
