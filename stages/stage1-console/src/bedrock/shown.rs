//! How records show what is more than one number: bytes, lists, and one number for many.
//!
//! The harness writes the same in `harness/src/check/expect.rs`.
//!
//! Invariant: what is shown holds no space, so a record still falls into its pairs.

use core::fmt;

/// Shows bytes as hexadecimal digits; `-` for none at all.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Shows what an iterator gives, joined by commas; `-` for nothing.
pub struct List<I>(pub I);

impl<I: Iterator<Item: fmt::Display> + Clone> fmt::Display for List<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = self.0.clone();
        let Some(first) = items.next() else { return f.write_str("-") };
        write!(f, "{first}")?;
        items.try_for_each(|item| write!(f, ",{item}"))
    }
}

/// One number for many: FNV-1a, 64 bits (Fowler, Noll, Vo).
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Takes in one more number, as eight bytes, the low byte first.
    pub fn add(&mut self, number: u64) {
        self.add_bytes(&number.to_le_bytes());
    }

    /// Takes in bytes as they are.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The one for all that were taken in so far.
    pub fn value(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn none_is_shown_as_well() {
        assert_eq!((format!("{}", Hex(&[])), format!("{}", Hex(&[0, 0xab]))), ("-".into(), "00ab".into()));
        let list = |numbers: &[i32]| format!("{}", List(numbers.iter()));
        assert_eq!([list(&[]), list(&[7]), list(&[-1, 2, 3])], ["-", "7", "-1,2,3"]);
    }

    #[test]
    fn the_digest_is_the_published_one() {
        let of = |bytes: &[u8]| {
            let mut digest = Digest::default();
            digest.add_bytes(bytes);
            digest.value()
        };
        assert_eq!(
            [of(b""), of(b"a"), of(b"foobar")],
            [0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]
        );
        let mut digest = Digest::default();
        digest.add(0x7261_626f_6f66);
        assert_eq!(digest.value(), of(b"foobar\0\0"));
    }
}
