//! A guest's console on its way to the terminal: every byte at once, and after an address of a report its place
//! in the source.

use crate::guest::symbolize::{Annotator, Symbolizer};

/// The most that is kept of the console's beginning, where a guest says where its stacks are.
const BEGINNING: usize = 16 * 1024;
/// A line longer than this is no line of a report.
const LONGEST: usize = 1024;

/// Adds places to a stream of console bytes.
pub struct Annotated<'s> {
    annotator: Annotator<'s>,
    line: Vec<u8>,
    beginning: Vec<u8>,
}

impl<'s> Annotated<'s> {
    /// A stream at its beginning.
    pub fn new(symbolizer: &'s Symbolizer) -> Self {
        Self { annotator: Annotator::new(symbolizer), line: Vec::new(), beginning: Vec::new() }
    }

    /// What to show for these bytes: themselves, with places before line ends. Nothing is held back.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let room = BEGINNING.saturating_sub(self.beginning.len()).min(bytes.len());
        self.beginning.extend_from_slice(&bytes[..room]);
        let mut shown = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            // The line end that a guest sends is \r\n: the place belongs before the first of the two.
            if byte == b'\r' || byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                let told = self.annotator.line(&line);
                shown.extend_from_slice(told.strip_prefix(&line).unwrap_or_default().as_bytes());
            } else if self.line.len() < LONGEST {
                self.line.push(byte);
            }
            shown.push(byte);
        }
        shown
    }

    /// What the guest printed first.
    pub fn beginning(&self) -> String {
        String::from_utf8_lossy(&self.beginning).into_owned()
    }
}
