//! Reading from the console, by asking again and again. (Stage 3 has interrupts.)
//!
//! What is typed arrives in the ring's input half
//! ([`ConsolePage::read`](crate::console_ring::ConsolePage::read)) byte by byte, as from a terminal in raw
//! mode: Return is `\r`, and nothing is echoed unless the guest does it. Invariant: a line never outgrows its
//! buffer; what doesn't fit is not echoed either.

use crate::{idle, output};

/// Waits for a byte.
pub fn read_byte() -> u8 {
    let mut byte = [0];
    idle::wait_until(|| output::read(&mut byte) > 0);
    byte[0]
}

/// Reads lines of at most `N` bytes, with an echo.
pub struct LineReader<const N: usize> {
    line: [u8; N],
    length: usize,
    /// The line ended with `\r`: a `\n` right behind it belongs to it.
    after_return: bool,
}

/// What a typed byte did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    Added,
    Erased,
    Ended,
    Nothing,
}

impl<const N: usize> LineReader<N> {
    /// A reader that has read nothing yet.
    #[allow(clippy::new_without_default, reason = "one way to make it is enough")]
    pub const fn new() -> Self {
        Self { line: [0; N], length: 0, after_return: false }
    }

    /// Waits for a line, and returns it without its end. It may be any bytes, text or not.
    pub fn read_line(&mut self) -> &[u8] {
        self.length = 0;
        loop {
            let byte = read_byte();
            match self.feed(byte) {
                Effect::Added => output::write(&[byte]),
                Effect::Erased => output::write(b"\x08 \x08"),
                Effect::Nothing => {}
                Effect::Ended => {
                    output::write(b"\n");
                    return &self.line[..self.length];
                }
            }
        }
    }

    fn feed(&mut self, byte: u8) -> Effect {
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            b'\n' if after_return => Effect::Nothing,
            b'\r' | b'\n' => Effect::Ended,
            0x08 | 0x7f if self.length > 0 => {
                self.length -= 1;
                Effect::Erased
            }
            b'\t' | b' '..=b'~' | 0x80.. if self.length < N => {
                self.line[self.length] = byte;
                self.length += 1;
                Effect::Added
            }
            _ => Effect::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(bytes: &[u8]) -> (std::vec::Vec<Effect>, std::vec::Vec<u8>) {
        let mut reader = LineReader::<4>::new();
        let effects = bytes.iter().map(|byte| reader.feed(*byte)).collect();
        (effects, reader.line[..reader.length].to_vec())
    }

    #[test]
    fn a_line_ends_once_however_it_ends() {
        let (effects, line) = type_in(b"a\r\n\n");
        assert_eq!(effects, [Effect::Added, Effect::Ended, Effect::Nothing, Effect::Ended]);
        assert_eq!(line, b"a");
    }

    #[test]
    fn a_line_is_edited_and_does_not_overflow() {
        assert_eq!(type_in(b"\x7fabcdef").1, b"abcd");
        assert_eq!(type_in(b"ab\x7fc").1, b"ac");
        assert_eq!(type_in(b"a\0\x1bb").1, b"ab");
    }
}
