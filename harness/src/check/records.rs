//! What a guest under check says, picked out of its console.
//!
//! A record is a console line that holds `~<nonce> `; the nonce is new for every boot, so a line without it is
//! only text. A record carries what was observed. Whether that is right, the host decides.

use std::collections::BTreeMap;

/// One thing the guest reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A check starts.
    Begin(String),
    /// A check observed something.
    Saw(String, BTreeMap<String, String>),
    /// A check ended on its own.
    End(String),
    /// An exercise is not attempted; where its mark stands.
    Todo {
        /// The exercise.
        exercise: String,
        /// `file:line`.
        place: String,
    },
    /// The kernel panicked.
    Panic {
        /// `file:line`.
        place: String,
        /// What it said.
        message: String,
    },
    /// The processor raised an exception; the facts about it.
    Fault(BTreeMap<String, String>),
    /// All checks on private objects are over; the live boot follows.
    Done,
}

/// Splits a console into records and text as its bytes arrive.
pub struct Reader {
    mark: String,
    line: Vec<u8>,
    /// The console without its records, line by line, at most [`Reader::KEPT`] of them.
    pub text: Vec<String>,
    /// How many lines of text were dropped from the front.
    pub dropped: usize,
}

impl Reader {
    /// Lines of console text kept; the oldest go first, so that a flood cannot fill the host's memory.
    pub const KEPT: usize = 4000;
    /// The longest line kept whole.
    const LONGEST: usize = 16 * 1024;

    /// A reader that trusts records with this nonce.
    pub fn new(nonce: &str) -> Self {
        Self { mark: format!("~{nonce} "), line: Vec::new(), text: Vec::new(), dropped: 0 }
    }

    /// Takes in what the console printed, and returns the records that became complete, each with the number of
    /// lines of text that came before it.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<(Record, usize)> {
        let mut records = Vec::new();
        for &byte in bytes {
            if byte == b'\n' || self.line.len() >= Self::LONGEST {
                records.extend(self.end_line());
            } else {
                self.line.push(byte);
            }
        }
        records
    }

    /// Ends an unfinished last line.
    pub fn finish(&mut self) -> Option<(Record, usize)> {
        if self.line.is_empty() { None } else { self.end_line() }
    }

    /// The lines of text from number `from` to before number `to`, as far as they are still there.
    pub fn lines(&self, from: usize, to: usize) -> &[String] {
        let at = |number: usize| number.saturating_sub(self.dropped).min(self.text.len());
        &self.text[at(from).min(at(to))..at(to)]
    }

    /// The last `count` lines of text.
    pub fn last(&self, count: usize) -> &[String] {
        &self.text[self.text.len().saturating_sub(count)..]
    }

    fn end_line(&mut self) -> Option<(Record, usize)> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end_matches('\r').to_owned();
        // Reports show these lines: what a guest prints must not steer the terminal of whoever reads them.
        let line = line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}");
        // Text may stand before a record when an exercise left a line unfinished.
        let (text, record) = match line.split_once(&self.mark) {
            Some((before, record)) => (before.to_owned(), parse(record)),
            None => (line, None),
        };
        if !text.is_empty() || record.is_none() {
            self.text.push(text);
        }
        if self.text.len() > Self::KEPT {
            let surplus = self.text.len() - Self::KEPT / 2;
            self.text.drain(..surplus);
            self.dropped += surplus;
        }
        let before = self.dropped + self.text.len();
        record.map(|record| (record, before))
    }
}

fn parse(record: &str) -> Option<Record> {
    let (kind, rest) = record.split_once(' ').unwrap_or((record, ""));
    let (first, tail) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match kind {
        "begin" => Record::Begin(first.to_owned()),
        "saw" => Record::Saw(first.to_owned(), pairs(tail)),
        "end" => Record::End(first.to_owned()),
        "todo" => Record::Todo { exercise: first.to_owned(), place: tail.to_owned() },
        "panic" => Record::Panic { place: first.to_owned(), message: tail.to_owned() },
        "fault" => Record::Fault(pairs(rest)),
        "done" => Record::Done,
        _ => return None,
    })
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split(' ').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_from_text_wherever_the_pieces_break() {
        let console = b"hello\r\n~00ab begin 1a.full\r\nhalf a li~00ab saw 1a.full a=1 b=0x2\r\n~00ab end 1a.full\r\n~ff done\r\n~00ab done\r\n";
        for size in 1..console.len() {
            let mut reader = Reader::new("00ab");
            let found = console.chunks(size).flat_map(|piece| reader.feed(piece));
            let (records, before): (Vec<Record>, Vec<usize>) = found.unzip();
            let seen = BTreeMap::from([("a".into(), "1".into()), ("b".into(), "0x2".into())]);
            let expected = vec![
                Record::Begin("1a.full".into()),
                Record::Saw("1a.full".into(), seen),
                Record::End("1a.full".into()),
                Record::Done,
            ];
            assert_eq!(records, expected);
            assert_eq!(before, [1, 2, 2, 3]);
            assert_eq!(reader.text, ["hello", "half a li", "~ff done"]);
        }
    }

    #[test]
    fn a_flood_without_line_ends_is_bounded() {
        let mut reader = Reader::new("00");
        for _ in 0..2000 {
            reader.feed(&[b'x'; 65536]);
        }
        assert!(reader.text.len() <= Reader::KEPT && reader.dropped > 0);
    }

    #[test]
    fn a_panic_keeps_its_message() {
        let mut reader = Reader::new("00");
        let records = reader.feed(b"~00 panic src/ring.rs:12 index out of bounds: the len is 4\n");
        let place = "src/ring.rs:12".to_owned();
        let message = "index out of bounds: the len is 4".to_owned();
        assert_eq!(records, [(Record::Panic { place, message }, 0)]);
    }
}
