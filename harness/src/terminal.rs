//! The user's terminal while a guest's console is on it: raw bytes through, and one key of our own.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{IsTerminal, Read};
use std::sync::mpsc::{Receiver, sync_channel};

/// Ctrl-], which begins a command to the harness.
const PREFIX: u8 = 0x1d;

/// What the keys explain when asked.
pub const HELP: &str = "Ctrl-] then: q leave, s shut the guest down, p pause or go on, Ctrl-] send one Ctrl-], ? this";

/// Something that the user typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Bytes for the guest.
    Text(Vec<u8>),
    /// Leave, and end the guest.
    Leave,
    /// Ask the guest to shut down.
    Shutdown,
    /// Pause, or go on.
    Pause,
    /// Explain the keys.
    Help,
    /// Standard input has ended.
    End,
}

/// Finds the commands in a stream of typed bytes.
#[derive(Debug, Default)]
pub struct Keys {
    after_prefix: bool,
}

impl Keys {
    /// Splits what was typed into text and commands.
    pub fn feed(&mut self, typed: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        let mut text = Vec::new();
        for &byte in typed {
            if !std::mem::take(&mut self.after_prefix) {
                if byte == PREFIX {
                    self.after_prefix = true
                } else {
                    text.push(byte)
                }
                continue;
            }
            let command = match byte {
                PREFIX => {
                    text.push(PREFIX);
                    continue;
                }
                b'q' => Key::Leave,
                b's' => Key::Shutdown,
                b'p' => Key::Pause,
                _ => Key::Help,
            };
            if !text.is_empty() {
                keys.push(Key::Text(std::mem::take(&mut text)));
            }
            keys.push(command);
        }
        if !text.is_empty() {
            keys.push(Key::Text(text));
        }
        keys
    }
}

/// Another mode of the terminal on standard input, until dropped. Without a terminal it does nothing.
pub struct Raw {
    before: Option<Termios>,
}

impl Raw {
    /// Switches to raw mode.
    pub fn enter() -> Self {
        Self::with(Termios::make_raw)
    }

    /// Switches to a mode in which keys come one by one and are not shown. Ctrl-C still interrupts.
    pub fn single_keys() -> Self {
        Self::with(|mode| mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO))
    }

    fn with(change: impl FnOnce(&mut Termios)) -> Self {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Self { before: None };
        }
        let before = tcgetattr(&stdin).ok();
        crate::interrupt::restores_terminal(before.clone());
        if let Some(mut raw) = before.clone() {
            change(&mut raw);
            // Where this fails the terminal stays as it was: lines instead of keys, nothing lost.
            let _ = tcsetattr(&stdin, OptionalActions::Now, &raw);
        }
        Self { before }
    }

    /// Whether keys come one by one from a person.
    pub fn interactive(&self) -> bool {
        self.before.is_some()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            crate::interrupt::restores_terminal(None);
        }
    }
}

/// Reads standard input on a thread of its own, a few pieces ahead. Only a terminal has commands; a pipe is passed on
/// whole.
pub fn keys(interactive: bool) -> Receiver<Key> {
    let (sender, receiver) = sync_channel(4);
    std::thread::spawn(move || {
        let mut keys = Keys::default();
        let mut piece = [0; 4096];
        loop {
            let typed = match std::io::stdin().read(&mut piece) {
                Ok(count) if count > 0 => &piece[..count],
                _ => break,
            };
            let split = if interactive { keys.feed(typed) } else { vec![Key::Text(typed.to_vec())] };
            if split.into_iter().any(|key| sender.send(key).is_err()) {
                return;
            }
        }
        // Nobody listens any more once the guest has ended.
        let _ = sender.send(Key::End);
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_text_across_pieces() {
        let mut keys = Keys::default();
        assert_eq!(keys.feed(b"ab\x1d"), [Key::Text(b"ab".to_vec())]);
        assert_eq!(keys.feed(b"pcd"), [Key::Pause, Key::Text(b"cd".to_vec())]);
        assert_eq!(keys.feed(b"\x1d\x1d"), [Key::Text(b"\x1d".to_vec())]);
        assert_eq!(keys.feed(b"x\x1dq"), [Key::Text(b"x".to_vec()), Key::Leave]);
        assert_eq!(keys.feed(b"\x1d?"), [Key::Help]);
    }
}
