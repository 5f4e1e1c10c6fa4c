//! Exercise 1b: what `boot_info::parse` and `boot_info::next_token` have to find.

use crate::check::expect::{Row, hex};
use fastrand::Rng;

/// Bytes in `struct start_info`.
const SIZE: usize = 0x490;
const COMMAND_LINE: usize = 0x80;
const MAGIC: &[u8] = b"xen-3.0-x86_64\0";
/// The flags that have a name.
const KNOWN_FLAGS: u64 = 0x1f;

fn draw_page(rng: &mut Rng) -> Vec<u8> {
    let mut page = vec![0; SIZE];
    rng.fill(&mut page);
    page[..MAGIC.len()].copy_from_slice(MAGIC);
    page[COMMAND_LINE] = 0;
    page
}

fn number(page: &[u8], offset: usize, bytes: usize) -> u64 {
    page[offset..offset + bytes].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub fn fields(rng: &mut Rng) -> Vec<Row> {
    let page = draw_page(rng);
    let long = |offset| number(&page, offset, 8);
    let short = |offset| number(&page, offset, 4);
    let row = || Row::new("a page with a number in every field");
    vec![
        row().is("nr_pages", long(0x20)).is("shared_info", long(0x28)).is("flags", short(0x30) & KNOWN_FLAGS),
        row().is("store_mfn", long(0x38)).is("store_evtchn", short(0x40)),
        row().is("console_mfn", long(0x48)).is("console_evtchn", short(0x50)),
        row().is("pt_base", long(0x58)).is("nr_pt_frames", long(0x60)).is("mfn_list", long(0x68)),
        row().is("mod_start", long(0x70)).is("mod_len", long(0x78)),
        row().is("first_p2m_pfn", long(0x480)).is("nr_p2m_frames", long(0x488)),
        row().is("command_line", "-"),
    ]
}

pub fn magic() -> Vec<Row> {
    vec![
        Row::new("the right magic").is("case", "good").is("result", "ok"),
        Row::new("a magic with one bit flipped").is("case", "changed").is("result", "bad_magic"),
        Row::new("the magic of a 32-bit guest").is("case", "x86_32p").is("result", "bad_magic"),
        Row::new("a magic that goes on where its NUL belongs").is("case", "longer").is("result", "bad_magic"),
    ]
}

pub fn short(rng: &mut Rng) -> Vec<Row> {
    draw_page(rng);
    let length = rng.usize(..SIZE);
    let row = |what: &str, case: &str, result: &str, length: usize| {
        Row::new(what).is("case", case).is("result", result).is("length", length)
    };
    vec![
        row(&format!("only {length} bytes of a page"), "short", "too_short", length),
        row("all bytes but one", "last", "too_short", SIZE - 1),
        row("exactly the structure's bytes", "exact", "ok", 0),
        row("more bytes than the structure has", "longer", "ok", 0),
        row(&format!("{length} bytes without a magic"), "zeros", "too_short", length),
    ]
}

pub fn text(rng: &mut Rng) -> Vec<Row> {
    draw_page(rng);
    let length = rng.usize(1..=100);
    let letters: Vec<u8> = (0..length).map(|_| rng.alphabetic() as u8).collect();
    let row = |what: &str, case: &str, text: &[u8]| {
        Row::new(what).is("case", case).is("length", text.len()).is("text", hex(&text[..text.len().min(128)]))
    };
    let euro = [&letters[..], "\u{20ac}".as_bytes()].concat();
    vec![
        row("letters and a NUL", "plain", &letters),
        row("a line that is cut within a character", "cut", &letters),
        row("a byte that is no UTF-8, and more behind it", "broken", &letters),
        row("letters and a euro sign", "euro", &euro),
        row("a field without a NUL", "full", &[b'x'; 1024]),
    ]
}

pub fn tokens(rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    let words = rng.usize(4..=6);
    let first = rng.usize(..4);
    for index in 0..words {
        let _separators = rng.usize(1..=3);
        let key = word(rng);
        let value = match (first + index) % 4 {
            0 => "none".to_owned(),
            1 => "-".to_owned(),
            2 => hex(&word(rng)),
            _ => hex(&[word(rng), word(rng)].join(&b'=')),
        };
        let what = format!("word {} of {words}", index + 1);
        rows.push(Row::new(what).is("index", index).is("key", hex(&key)).is("value", value));
    }
    rows.push(Row::new("the words of the line, counted").is("words", words));
    rows.push(Row::new("a line of spaces").is("case", "blank").is("words", 0));
    rows
}

fn word(rng: &mut Rng) -> Vec<u8> {
    (0..rng.usize(1..=6)).map(|_| rng.lowercase() as u8).collect()
}
