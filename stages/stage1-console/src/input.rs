//! Reading lines from the console.
//!
//! What is typed arrives in the ring's input half
//! ([`ConsolePage::read`](crate::console_ring::ConsolePage::read)) byte by byte, as from a terminal in raw
//! mode: Return is `\r`, and nothing is echoed unless the guest does it. A line can be edited with the keys that
//! terminals know: Backspace erases a character, Ctrl-W a word, Ctrl-U the line; Ctrl-C gives it up. Other control
//! characters, and the sequences that arrow keys send, are left out.
//!
//! Invariant: a line never outgrows its buffer, and what stands on the terminal is what is in the buffer: what doesn't
//! fit is not echoed either.

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
    escape: Escape,
}

/// What a typed byte did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    Added,
    /// So many characters are gone.
    Erased(usize),
    Ended,
    GivenUp,
    Nothing,
}

/// How much of a key's sequence has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    /// Behind `ESC [` and `ESC O`: it goes on to the first letter or `~`.
    Sequence,
}

const CTRL_C: u8 = 0x03;
const CTRL_U: u8 = 0x15;
const CTRL_W: u8 = 0x17;
const ESCAPE: u8 = 0x1b;

impl<const N: usize> LineReader<N> {
    /// A reader that has read nothing yet.
    #[allow(clippy::new_without_default, reason = "one way to make it is enough")]
    pub const fn new() -> Self {
        Self { line: [0; N], length: 0, after_return: false, escape: Escape::None }
    }

    /// Waits for a line, and returns it without its end. It may be any bytes, text or not.
    pub fn read_line(&mut self) -> &[u8] {
        self.length = 0;
        loop {
            let byte = read_byte();
            match self.feed(byte) {
                Effect::Added => output::write(&[byte]),
                Effect::Erased(characters) => (0..characters).for_each(|_| output::write(b"\x08 \x08")),
                Effect::Nothing => {}
                Effect::GivenUp => output::write(b"^C\n"),
                Effect::Ended => {
                    output::write(b"\n");
                    return &self.line[..self.length];
                }
            }
        }
    }

    fn feed(&mut self, byte: u8) -> Effect {
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        if self.in_sequence(byte) {
            return Effect::Nothing;
        }
        match byte {
            b'\n' if after_return => Effect::Nothing,
            b'\r' | b'\n' => Effect::Ended,
            0x08 | 0x7f => self.erase_to(self.before_last_character()),
            CTRL_U => self.erase_to(0),
            CTRL_W => self.erase_to(self.before_last_word()),
            CTRL_C => {
                self.length = 0;
                Effect::GivenUp
            }
            b'\t' | b' '..=b'~' | 0x80.. if self.length < N => {
                self.line[self.length] = byte;
                self.length += 1;
                Effect::Added
            }
            _ => Effect::Nothing,
        }
    }

    /// Whether a byte belongs to the sequence of a key.
    fn in_sequence(&mut self, byte: u8) -> bool {
        let before = self.escape;
        self.escape = match (before, byte) {
            (_, ESCAPE) => Escape::Begun,
            (Escape::Begun, b'[' | b'O') => Escape::Sequence,
            (Escape::Sequence, b' '..=b'?') => Escape::Sequence,
            _ => Escape::None,
        };
        // A control character that comes in the middle is a key of its own.
        self.escape != Escape::None || (before != Escape::None && byte >= b' ')
    }

    fn erase_to(&mut self, length: usize) -> Effect {
        let characters = self.line[length..self.length].iter().filter(|byte| begins_character(**byte)).count();
        self.length = length;
        if characters == 0 { Effect::Nothing } else { Effect::Erased(characters) }
    }

    fn before_last_character(&self) -> usize {
        self.line[..self.length].iter().rposition(|byte| begins_character(*byte)).unwrap_or(0)
    }

    fn before_last_word(&self) -> usize {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let end = self.line[..self.length].iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
        self.line[..end].iter().rposition(blank).map_or(0, |last| last + 1)
    }
}

/// Whether a byte of UTF-8 is the first of a character.
fn begins_character(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in<const N: usize>(bytes: &[u8]) -> (std::vec::Vec<Effect>, std::vec::Vec<u8>) {
        let mut reader = LineReader::<N>::new();
        let effects = bytes.iter().map(|byte| reader.feed(*byte)).collect();
        (effects, reader.line[..reader.length].to_vec())
    }

    #[test]
    fn a_line_ends_once_however_it_ends() {
        let (effects, line) = type_in::<4>(b"a\r\n\n");
        assert_eq!(effects, [Effect::Added, Effect::Ended, Effect::Nothing, Effect::Ended]);
        assert_eq!(line, b"a");
    }

    #[test]
    fn a_line_does_not_overflow_and_control_characters_are_left_out() {
        assert_eq!(type_in::<4>(b"\x7fabcdef").1, b"abcd");
        assert_eq!(type_in::<4>(b"ab\x7fc").1, b"ac");
        assert_eq!(type_in::<4>(b"a\0\x01b").1, b"ab");
    }

    #[test]
    fn words_lines_and_whole_characters_are_erased() {
        assert_eq!(type_in::<32>(b"one two  \x17x").1, b"one x");
        assert_eq!(type_in::<32>(b"one\x17\x17x").1, b"x");
        assert_eq!(type_in::<32>(b"one two\x15x").1, b"x");
        let (effects, line) = type_in::<32>("a\u{fc}\u{1f980}\x7f\x7f".as_bytes());
        assert_eq!((effects.last(), &line[..]), (Some(&Effect::Erased(1)), &b"a"[..]));
        assert_eq!(type_in::<32>("\u{fc}b \x17".as_bytes()).0.last(), Some(&Effect::Erased(3)));
        assert_eq!(type_in::<32>(b"\x17\x15\x08").0, [Effect::Nothing; 3]);
    }

    #[test]
    fn a_line_can_be_given_up() {
        let (effects, line) = type_in::<32>(b"ab\x03c");
        assert_eq!((effects[2], &line[..]), (Effect::GivenUp, &b"c"[..]));
    }

    #[test]
    fn the_sequences_of_keys_are_left_out() {
        assert_eq!(type_in::<32>(b"a\x1b[Db\x1b[1;5Cc\x1bOPd\x1b[3~e\x1bxf").1, b"abcdef");
        assert_eq!(type_in::<32>(b"a\x1b[\rb").0[3], Effect::Ended);
    }
}
