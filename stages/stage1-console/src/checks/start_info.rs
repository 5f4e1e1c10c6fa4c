//! Checks of exercise 1b: `boot_info::parse` on pages made here, and `boot_info::next_token`.

use console::bedrock::{Hex, Record, Reporter};
use console::boot_info::{self, MAGIC, START_INFO_SIZE, StartInfo, StartInfoError};
use fastrand::Rng;

const COMMAND_LINE: usize = 0x80;
const COMMAND_LINE_END: usize = 0x480;

type Page = [u8; START_INFO_SIZE];

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("1b.fields", fields);
    reporter.check("1b.magic", magic);
    reporter.check("1b.short", short);
    reporter.check("1b.text", text);
    reporter.check("1b.tokens", tokens);
}

/// Every page here begins as this.
///
/// Draws: `rng.fill(&mut page)`, 0x490 bytes. Then bytes 0 to 14 become the magic and its NUL, and byte 0x80 becomes 0.
fn draw_page(rng: &mut Rng) -> Page {
    let mut page = [0; START_INFO_SIZE];
    rng.fill(&mut page);
    set_magic(&mut page, MAGIC);
    page[COMMAND_LINE] = 0;
    page
}

fn set_magic(page: &mut Page, magic: &str) {
    page[..magic.len()].copy_from_slice(magic.as_bytes());
    page[magic.len()] = 0;
}

/// Every number of the page.
///
/// Draws: a page. Records: each field under its name, in decimal (`flags` as its bits), and `command_line`; or
/// `result` as [`magic`] does.
fn fields(rng: &mut Rng, record: &Record) {
    let page = draw_page(rng);
    let info = match boot_info::parse(&page) {
        Ok(info) => info,
        Err(error) => return record.saw(format_args!("result={}", name(Err(error)))),
    };
    let StartInfo { nr_pages, shared_info, flags, store_mfn, store_evtchn, .. } = info;
    let StartInfo { console_mfn, console_evtchn, pt_base, nr_pt_frames, mfn_list, .. } = info;
    let StartInfo { mod_start, mod_len, command_line, first_p2m_pfn, nr_p2m_frames, .. } = info;
    record.saw(format_args!("nr_pages={nr_pages} shared_info={} flags={}", shared_info.0, flags.bits()));
    record.saw(format_args!("store_mfn={} store_evtchn={}", store_mfn.0, store_evtchn.0));
    record.saw(format_args!("console_mfn={} console_evtchn={}", console_mfn.0, console_evtchn.0));
    record.saw(format_args!("pt_base={pt_base} nr_pt_frames={nr_pt_frames} mfn_list={mfn_list}"));
    record.saw(format_args!("mod_start={mod_start} mod_len={mod_len}"));
    record.saw(format_args!("first_p2m_pfn={first_p2m_pfn} nr_p2m_frames={nr_p2m_frames}"));
    record.saw(format_args!("command_line={}", Hex(command_line.as_bytes())));
}

/// Pages with a right and with wrong magics.
///
/// Draws: a page; `byte = rng.usize(..15)`; `bit = rng.u8(..8)`. Records for each `case` the `result`: `ok`,
/// `bad_magic` or `too_short`. `good`: as drawn; `changed`: that bit of that byte flipped; `x86_32p`: the magic
/// `xen-3.0-x86_32p` and a NUL; `longer`: the magic `xen-3.0-x86_64p` and a NUL.
fn magic(rng: &mut Rng, record: &Record) {
    let good = draw_page(rng);
    let byte = rng.usize(..=MAGIC.len());
    let bit = rng.u8(..8);
    let mut changed = good;
    changed[byte] ^= 1 << bit;
    let mut other = good;
    set_magic(&mut other, "xen-3.0-x86_32p");
    let mut longer = good;
    set_magic(&mut longer, "xen-3.0-x86_64p");
    for (case, page) in [("good", good), ("changed", changed), ("x86_32p", other), ("longer", longer)] {
        record.saw(format_args!("case={case} result={}", name(boot_info::parse(&page))));
    }
}

/// Pages of all sizes.
///
/// Draws: a page; `length = rng.usize(..0x490)`. Records for each `case` the `result`, and `length` if that is
/// `too_short` (else 0). `short`: the first `length` bytes; `last`: all but one byte; `exact`: all 0x490;
/// `longer`: as many, and 16 zeros; `zeros`: `length` zeros (bad magic *and* too short).
fn short(rng: &mut Rng, record: &Record) {
    let page = draw_page(rng);
    let length = rng.usize(..START_INFO_SIZE);
    let mut longer = [0; START_INFO_SIZE + 16];
    longer[..START_INFO_SIZE].copy_from_slice(&page);
    let zeros = [0; START_INFO_SIZE];
    let cases: [(&str, &[u8]); 5] = [
        ("short", &page[..length]),
        ("last", &page[..START_INFO_SIZE - 1]),
        ("exact", &page),
        ("longer", &longer),
        ("zeros", &zeros[..length]),
    ];
    for (case, page) in cases {
        let result = boot_info::parse(page);
        let length = if let Err(StartInfoError::TooShort(length)) = result { length } else { 0 };
        record.saw(format_args!("case={case} result={} length={length}", name(result)));
    }
}

/// Command lines, and what is none.
///
/// Draws: a page; `length = rng.usize(1..=100)`; `length` times `rng.alphabetic()`, the letters. The field,
/// from 0x80 on, for each `case`; what is not named stays as drawn. `plain`: the letters, NUL. `cut`: the
/// letters, e2, 82, NUL. `broken`: the letters, ff, `a`, NUL. `full`: all 1024 bytes are `x`. `euro`: the
/// letters, e2, 82, ac, NUL. Records for each the `length` of the command line in bytes, and its first 128
/// bytes as `text`.
fn text(rng: &mut Rng, record: &Record) {
    let mut page = draw_page(rng);
    let length = rng.usize(1..=100);
    let mut letters = [0; 100];
    letters[..length].fill_with(|| rng.alphabetic() as u8);
    let cases: [(&str, &[u8]); 4] =
        [("plain", b"\0"), ("cut", b"\xe2\x82\0"), ("broken", b"\xffa\0"), ("euro", b"\xe2\x82\xac\0")];
    for (case, ending) in cases {
        let field = &mut page[COMMAND_LINE..COMMAND_LINE_END];
        field[..length].copy_from_slice(&letters[..length]);
        field[length..length + ending.len()].copy_from_slice(ending);
        record_text(record, case, &page);
    }
    page[COMMAND_LINE..COMMAND_LINE_END].fill(b'x');
    record_text(record, "full", &page);
}

fn record_text(record: &Record, case: &str, page: &Page) {
    match boot_info::parse(page) {
        Ok(info) => {
            let text = info.command_line.as_bytes();
            let shown = Hex(&text[..text.len().min(128)]);
            record.saw(format_args!("case={case} length={} text={shown}", text.len()));
        }
        Err(error) => record.saw(format_args!("case={case} result={}", name(Err(error)))),
    }
}

/// A command line taken apart word by word.
///
/// Draws: `words = rng.usize(4..=6)`; `first = rng.usize(..4)`. Then for each word, counted by `index` from 0:
/// a gap of `rng.usize(1..=3)` separators; a key of `rng.usize(1..=6)` letters, each `rng.lowercase()`; then by
/// its kind, `(first + index) % 4`: kind 0, nothing more; kind 1, `=`; kind 2, `=` and a value, drawn like a
/// key; kind 3, `=`, a value, `=`, another value. At last: a gap of `rng.usize(1..=2)` separators, with `index
/// = words`. Separator number k, from 0, of a gap is a space if `index + k` is even, else a tab. Records for
/// each word, up to eight: `index`, `key`, and `value` (`none` where there is none). Then `words`: how many
/// came; and `case=blank words=` the same for a line of three spaces.
fn tokens(rng: &mut Rng, record: &Record) {
    let mut line = Line { bytes: [0; 256], length: 0 };
    let words = rng.usize(4..=6);
    let first = rng.usize(..4);
    for index in 0..words {
        line.gap(index, rng.usize(1..=3));
        line.word(rng);
        let kind = (first + index) % 4;
        if kind > 0 {
            line.push(b'=');
        }
        if kind > 1 {
            line.word(rng);
        }
        if kind > 2 {
            line.push(b'=');
            line.word(rng);
        }
    }
    line.gap(words, rng.usize(1..=2));

    let words = count_words(core::str::from_utf8(&line.bytes[..line.length]).unwrap_or_default(), Some(record));
    record.saw(format_args!("words={words}"));
    record.saw(format_args!("case=blank words={}", count_words("   ", None)));
}

fn count_words(line: &str, record: Option<&Record>) -> usize {
    let mut rest = line;
    for index in 0..8 {
        let Some((token, behind)) = boot_info::next_token(rest) else { return index };
        if let Some(record) = record {
            let key = Hex(token.key.as_bytes());
            match token.value {
                Some(value) => record.saw(format_args!("index={index} key={key} value={}", Hex(value.as_bytes()))),
                None => record.saw(format_args!("index={index} key={key} value=none")),
            }
        }
        rest = behind;
    }
    8
}

struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl Line {
    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn gap(&mut self, index: usize, separators: usize) {
        for number in index..index + separators {
            self.push(if number % 2 == 0 { b' ' } else { b'\t' });
        }
    }

    fn word(&mut self, rng: &mut Rng) {
        for _ in 0..rng.usize(1..=6) {
            self.push(rng.lowercase() as u8);
        }
    }
}

fn name(result: Result<StartInfo<'_>, StartInfoError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(StartInfoError::TooShort(_)) => "too_short",
        Err(StartInfoError::BadMagic) => "bad_magic",
    }
}
