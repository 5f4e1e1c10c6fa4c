//! What a guest under check says, picked out of its console.
//!
//! A record is a console line `~<number> <text> ~<code>`. The code is over number and text, under a key that is new for
//! every session; numbers only grow. So a line without a right code is only text, and so is a record said again. A
//! record carries what was observed. Whether that is right, the host decides.

use super::seal::Key;
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
    key: Key,
    /// The least number that the next record may have.
    next: u64,
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

    /// A reader that trusts records with codes under this key.
    pub fn new(key: Key) -> Self {
        Self { key, next: 0, line: Vec::new(), text: Vec::new(), dropped: 0 }
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
        let (text, record) = match self.marked(&line) {
            Some((before, number, record)) => {
                self.next = number + 1;
                (before, parse(record))
            }
            None => (line.as_str(), None),
        };
        // Reports show these lines: what a guest prints must not steer the terminal of whoever reads them.
        let text = text.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}");
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

    /// The text before a record, its number, and what it says, where the line ends in a record with a right code.
    fn marked<'a>(&self, line: &'a str) -> Option<(&'a str, u64, &'a str)> {
        /// Text may stand before a record when an exercise left a line unfinished; but not that much of it.
        const STARTS: usize = 8;
        let (marked, code) = line.rsplit_once(" ~")?;
        let code = u64::from_str_radix(code, 16).ok().filter(|_| code.len() == 16)?;
        marked.match_indices('~').take(STARTS).find_map(|(at, _)| {
            let sealed = &marked[at + 1..];
            let (number, record) = sealed.split_once(' ')?;
            let number = number.parse().ok().filter(|number| *number >= self.next && *number < u64::MAX)?;
            (self.key.code(sealed) == code).then_some((&line[..at], number, record))
        })
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
pub(super) mod tests {
    use super::*;

    /// A record as the guest writes it.
    pub fn sealed(key: &Key, number: u64, text: &str) -> String {
        let text = format!("{number} {text}");
        format!("~{text} ~{:016x}", key.code(&text))
    }

    #[test]
    fn records_are_told_from_text_wherever_the_pieces_break() {
        let key = Key::draw().unwrap();
        let record = |number, text| sealed(&key, number, text);
        let console = format!(
            "hello\r\n{}\r\nhalf a li{}\r\n{}\r\n~9 done ~0123456789abcdef\r\n{}\r\n",
            record(0, "begin 1a.full"),
            record(1, "saw 1a.full a=1 b=0x2"),
            record(2, "end 1a.full"),
            record(3, "done"),
        );
        for size in 1..console.len() {
            let mut reader = Reader::new(key.clone());
            let found = console.as_bytes().chunks(size).flat_map(|piece| reader.feed(piece));
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
            assert_eq!(reader.text, ["hello", "half a li", "~9 done ~0123456789abcdef"]);
        }
    }

    #[test]
    fn what_was_said_once_cannot_be_said_again_nor_changed() {
        let key = Key::draw().unwrap();
        let mut reader = Reader::new(key.clone());
        let begin = sealed(&key, 4, "begin 1a.full");
        assert_eq!(reader.feed(format!("{begin}\n").as_bytes()).len(), 1);
        let others = [
            begin.clone(),
            begin.replace("~4 ", "~5 "),
            begin.replace("1a.full", "1b.full"),
            sealed(&key, 3, "begin 1a.full"),
            sealed(&key, u64::MAX, "begin 1a.full"),
            sealed(&Key::draw().unwrap(), 5, "begin 1a.full"),
            format!("{}{}", "~".repeat(9), sealed(&key, 5, "done")),
            "~ ~".to_owned(),
        ];
        for other in others {
            assert_eq!(reader.feed(format!("{other}\n").as_bytes()), [], "{other}");
        }
        let quoting = sealed(&key, 5, &format!("panic x.rs:1 it said {begin}"));
        assert_eq!(reader.feed(format!("{quoting}\n").as_bytes()).len(), 1);
    }

    #[test]
    fn a_flood_without_line_ends_is_bounded() {
        let mut reader = Reader::new(Key::default());
        for _ in 0..2000 {
            reader.feed(&[b'x'; 65536]);
        }
        assert!(reader.text.len() <= Reader::KEPT && reader.dropped > 0);
    }

    #[test]
    fn a_panic_keeps_its_message() {
        let mut reader = Reader::new(Key::default());
        let record = sealed(&Key::default(), 0, "panic src/ring.rs:12 index out of bounds: the len is 4");
        let records = reader.feed(format!("{record}\n").as_bytes());
        let place = "src/ring.rs:12".to_owned();
        let message = "index out of bounds: the len is 4".to_owned();
        assert_eq!(records, [(Record::Panic { place, message }, 0)]);
    }
}
