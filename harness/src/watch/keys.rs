//! What the user types while the harness watches: single keys on a terminal, and without one the first letter of
//! each line.

/// What the keys do, for those who ask and those who mistype.
pub const HELP: &str = "n next   h hint   e explain   l list   d diff   r run again   x reset   q quit";

/// A wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Go on to the next exercise.
    Next,
    /// A hint; again, a plainer one.
    Hint,
    /// What the checks do.
    Explain,
    /// How far everything is.
    List,
    /// What was changed since the starter.
    Diff,
    /// Check once more.
    Again,
    /// The starter again.
    Reset,
    /// Yes to what was asked.
    Yes,
    /// Leave.
    Quit,
    /// None of these.
    Help,
}

/// Turns typed bytes into wishes.
pub struct Decoder {
    lines: bool,
    at_start: bool,
}

impl Decoder {
    /// For single keys, or for lines.
    pub fn new(lines: bool) -> Self {
        Self { lines, at_start: true }
    }

    /// The wishes in these bytes.
    pub fn feed(&mut self, typed: &[u8]) -> Vec<Key> {
        typed.iter().filter_map(|byte| self.key(*byte)).collect()
    }

    fn key(&mut self, byte: u8) -> Option<Key> {
        let start = std::mem::replace(&mut self.at_start, byte == b'\n' || !self.lines);
        match byte.to_ascii_lowercase() {
            // The rest of a word.
            _ if !start => None,
            b'\n' | b'\r' if self.lines => None,
            b'n' => Some(Key::Next),
            b'h' => Some(Key::Hint),
            b'e' => Some(Key::Explain),
            b'l' => Some(Key::List),
            b'd' => Some(Key::Diff),
            b'r' | b'\n' => Some(Key::Again),
            b'x' => Some(Key::Reset),
            b'y' => Some(Key::Yes),
            // Ctrl-D ends input everywhere else, so here too.
            b'q' | 0x04 => Some(Key::Quit),
            _ => Some(Key::Help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_terminal_every_key_counts() {
        let mut keys = Decoder::new(false);
        assert_eq!(keys.feed(b"nH\n?\x04"), [Key::Next, Key::Hint, Key::Again, Key::Help, Key::Quit]);
    }

    #[test]
    fn without_one_the_first_letter_of_a_line_counts() {
        let mut keys = Decoder::new(true);
        assert_eq!(keys.feed(b"next\n\nli"), [Key::Next, Key::List]);
        assert_eq!(keys.feed(b"st\nquit\n"), [Key::Quit]);
    }
}
