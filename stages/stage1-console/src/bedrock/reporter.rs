//! The records of a check run: what was observed, for the harness to judge.
//!
//! The harness boots an image built with feature `checks` with one more token on the command line, `check=<64
//! hex digits>:<seed>[:skip=<id>,<id>...]`. The digits are a key in two halves. A record is a line `~<number> <text>
//! ~<16 hex digits>`; the digits at its end are a code over number and text under that key (see `seal`), so that nothing
//! else that is printed can pass for one. A record says what came out, never whether it was right: the harness works
//! that out anew from the seed.
//!
//! Invariant: the token is wiped before any exercise runs, and the one [`Reporter`] belongs to the program that
//! booted, whose `main` gets it in its [`Entry`](super::Entry). Records pass through no exercise.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fastrand::Rng;

use super::raw_ring::{self, RawConsole};
use super::raw_start_info::{COMMAND_LINE, RawStartInfo};
use super::seal::{self, Half, Seal};
use super::shown::Digest;

/// For the reports of panics and faults, which have no [`Reporter`] at hand.
static CHECKING: AtomicBool = AtomicBool::new(false);
/// Records so far: each has its own number, and so its own code.
static RECORDS: AtomicU64 = AtomicU64::new(0);

const TOKEN_SIZE: usize = COMMAND_LINE.end - COMMAND_LINE.start;

/// Runs checks and records what they saw.
pub struct Reporter {
    seed: u64,
    /// The part of the token behind `skip=`.
    skip: [u8; TOKEN_SIZE],
}

impl Reporter {
    /// Takes the token off the command line, and wipes it there. `None` without one: an ordinary run.
    pub(super) fn take(start_info: RawStartInfo) -> Option<Self> {
        let taken = Self::read(start_info);
        seal::forget();
        taken
    }

    #[inline(never)]
    fn read(start_info: RawStartInfo) -> Option<Self> {
        let mut line: [u8; TOKEN_SIZE] = core::array::from_fn(|index| start_info.byte(COMMAND_LINE.start + index));
        let token = cut_token(&mut line)?;
        for (index, byte) in line.into_iter().enumerate() {
            start_info.set_byte(COMMAND_LINE.start + index, byte);
        }
        let Token { kept, given_away, seed, skip } = Token::parse(&token)?;
        seal::keep(kept, given_away);
        CHECKING.store(true, Ordering::Release);
        Some(Self { seed, skip })
    }

    /// Runs one check, unless the token says to skip it.
    pub fn check(&self, id: &'static str, check: impl FnOnce(&mut Rng, &Record)) {
        if self.skips(id) {
            return;
        }
        tell(format_args!("begin {id}"));
        check(&mut self.rng(id), &Record { id });
        tell(format_args!("end {id}"));
    }

    /// The random numbers of a check, which the harness draws as well.
    pub fn rng(&self, id: &str) -> Rng {
        let mut own = Digest::default();
        own.add_bytes(id.as_bytes());
        Rng::with_seed(self.seed ^ own.value())
    }

    /// The word that the live console is to say for the check `id` of a stage as a whole.
    ///
    /// Draws: eight times `rng.lowercase()`.
    pub fn live_word(&self, id: &str) -> [u8; 8] {
        let mut rng = self.rng(id);
        core::array::from_fn(|_| rng.lowercase() as u8)
    }

    /// Says that all checks have run, and sees to it that dom0 has read so: the live console comes next, and an
    /// exercise that ruins the ring takes with it what is still in there.
    pub fn done(self) {
        tell(format_args!("done"));
        raw_ring::drain();
    }

    fn skips(&self, id: &str) -> bool {
        let exercise = id.split('.').next().unwrap_or(id);
        let mut skipped = self.skip.split(|byte| *byte == b',' || *byte == 0);
        skipped.any(|skip| skip == id.as_bytes() || skip == exercise.as_bytes())
    }
}

/// Where a check writes what it saw.
pub struct Record {
    id: &'static str,
}

impl Record {
    /// Records observations: `key=value` pairs, numbers in decimal or with `0x`, bytes as [`Hex`](super::Hex).
    pub fn saw(&self, observations: fmt::Arguments<'_>) {
        tell(format_args!("saw {} {observations}", self.id));
    }

    /// Records observations that say by `ask=` what dom0 is to do or to look at, and waits until the harness, which adds what
    /// came of it to the record, types a line end.
    pub fn ask(&self, observations: fmt::Arguments<'_>) {
        self.saw(observations);
        while crate::input::read_byte() != b'\n' {}
    }
}

/// Writes one record, and leaves nothing of how it was made where the next exercise could look.
fn tell(content: fmt::Arguments<'_>) {
    record(content);
    seal::forget();
}

/// Writes one record, a line of its own whatever it holds. Nothing in an ordinary run.
#[inline(never)]
pub(super) fn record(content: fmt::Arguments<'_>) {
    if CHECKING.load(Ordering::Acquire) {
        raw_ring::start_line();
        let _ = RawConsole.write_str("~");
        let mut line = OneLine(Seal::new());
        let _ = write!(line, "{} {content}", RECORDS.fetch_add(1, Ordering::Relaxed));
        let _ = writeln!(RawConsole, " ~{:016x}", line.0.finish());
    }
}

/// Prints text without anything that would end the line, and takes it into the record's code.
struct OneLine(Seal);

impl Write for OneLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let kept = part.trim_end_matches(char::is_control);
            for text in [kept, if kept.len() < part.len() { " " } else { "" }] {
                self.0.add(text.as_bytes());
                RawConsole.write_str(text)?;
            }
        }
        Ok(())
    }
}

/// Takes the word that begins with `check=` out of a NUL-padded line, and returns what followed that.
fn cut_token(line: &mut [u8; TOKEN_SIZE]) -> Option<[u8; TOKEN_SIZE]> {
    const KEY: &[u8] = b"check=";
    let ends = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = (0..line.len()).find(|&at| line[at..].starts_with(KEY) && (at == 0 || ends(&line[at - 1])))?;
    let end = line[start..].iter().position(ends).map_or(line.len(), |length| start + length);

    let mut token = [0; TOKEN_SIZE];
    let value = &line[start + KEY.len()..end];
    token[..value.len()].copy_from_slice(value);

    // The space behind the word goes with it; a space before it goes if the word was the last.
    let behind = if line.get(end) == Some(&b' ') { end + 1 } else { end };
    let start = if behind == end && start > 0 { start - 1 } else { start };
    line.copy_within(behind.., start);
    line[TOKEN_SIZE - (behind - start)..].fill(0);
    Some(token)
}

/// What the token says.
struct Token {
    kept: Half,
    given_away: Half,
    seed: u64,
    skip: [u8; TOKEN_SIZE],
}

impl Token {
    fn parse(token: &[u8; TOKEN_SIZE]) -> Option<Self> {
        let text = token.split(|byte| *byte == 0).next()?;
        let mut parts = core::str::from_utf8(text).ok()?.split(':');
        let key = parts.next()?;
        let (kept, given_away) = (half(key.get(..32)?)?, half(key.get(32..64)?)?);
        let seed = parts.next()?.parse().ok()?;
        let mut skip = [0; TOKEN_SIZE];
        if let Some(list) = parts.next().and_then(|part| part.strip_prefix("skip=")) {
            skip[..list.len()].copy_from_slice(list.as_bytes());
        }
        Some(Self { kept, given_away, seed, skip })
    }
}

fn half(digits: &str) -> Option<Half> {
    let mut half = [0; 4];
    for (index, number) in half.iter_mut().enumerate() {
        *number = u32::from_str_radix(digits.get(8 * index..8 * index + 8)?, 16).ok()?;
    }
    Some(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> (std::string::String, Option<std::string::String>) {
        let mut line = [0; TOKEN_SIZE];
        line[..text.len()].copy_from_slice(text.as_bytes());
        let token = cut_token(&mut line);
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            assert!(bytes[end..].iter().all(|byte| *byte == 0), "something is left behind the end");
            std::string::String::from_utf8(bytes[..end].to_vec()).unwrap()
        };
        (text(&line), token.map(|token| text(&token)))
    }

    #[test]
    fn the_token_leaves_no_trace() {
        assert_eq!(cut("app=hello check=12:3 log=debug"), ("app=hello log=debug".into(), Some("12:3".into())));
        assert_eq!(cut("check=12:3"), ("".into(), Some("12:3".into())));
        assert_eq!(cut("app=hello check=12:3"), ("app=hello".into(), Some("12:3".into())));
        assert_eq!(cut("check=12:3 app=hello"), ("app=hello".into(), Some("12:3".into())));
        assert_eq!(cut("app=hello uncheck=1"), ("app=hello uncheck=1".into(), None));
    }

    #[test]
    fn a_skip_names_a_check_or_an_exercise() {
        let mut token = [0; TOKEN_SIZE];
        let text = b"0000000100000002000000030000000400000005000000060000000700000008:7:skip=1a.fits,1c";
        token[..text.len()].copy_from_slice(text);
        let Token { kept, given_away, seed, skip } = Token::parse(&token).unwrap();
        assert_eq!((kept, given_away, seed), ([1, 2, 3, 4], [5, 6, 7, 8], 7));
        let reporter = Reporter { seed, skip };
        assert!(reporter.skips("1a.fits") && reporter.skips("1c.order"));
        assert!(!reporter.skips("1a.full") && !reporter.skips("1b.magic"));
    }
}
