//! Exercise 6b: what has to become of pages and responses.

use crate::check::expect::{Row, fnv1a64, list};
use crate::check::frames::experiment;
use fastrand::Rng;

pub fn refill(rng: &mut Rng) -> Vec<Row> {
    let case = |case: &str| {
        let slots = 1 << rng.u32(3..=6);
        let next = u32::MAX - rng.u32(..8);
        let room = rng.u32(2..slots);
        let few = rng.u32(1..room);
        let offered = match case {
            "enough" => room,
            "few" => few,
            _ => 0,
        };
        let mut calls: Vec<String> =
            (0..offered).map(|page| format!("o{}:{page}", next.wrapping_add(page) % slots)).collect();
        if offered > 0 {
            calls.push("p".to_owned());
        }
        let what = format!("pages ({case}) for a ring of {slots} slots, from request {next} on");
        Row::new(what).is("case", case).is("result", offered).is("calls", list(calls))
    };
    ["enough", "few", "none", "full"].map(case).into()
}

/// A byte of a page.
fn byte(page: u32, at: usize) -> u8 {
    (page as usize * 31 + at * 7 + at / 256) as u8
}

/// What is left of a page from an offset on.
fn part(page: u32, offset: u16, status: i16) -> impl Iterator<Item = u8> {
    (usize::from(offset)..usize::from(offset) + status as usize).map(move |at| byte(page, at))
}

fn given_back(first: u32, count: u32) -> String {
    list((0..count).map(|slot| format!("g{}", first.wrapping_add(slot) % 64)))
}

fn frame(what: String, case: &str, bytes: &[u8], checksum: &str) -> Row {
    let row = Row::new(what).is("case", case).is("frame", bytes.len());
    row.is("digest", fnv1a64(bytes)).is("checksum", checksum)
}

pub fn frames(rng: &mut Rng) -> Vec<Row> {
    let mut number = u32::MAX - rng.u32(..20);
    let mut rows = Vec::new();
    let mut lefts = Vec::new();
    for index in 0..8 {
        let parts = rng.u32(1..=4);
        let extras = rng.u32(..3);
        let checksum = rng.u16(..4);
        let begin = number;
        let mut bytes = Vec::new();
        for at in 0..parts {
            let offset = rng.u16(..64);
            let status = rng.i16(1..=4000);
            bytes.extend(part(number % 64, offset, status));
            number = number.wrapping_add(if at == 0 { 1 + extras } else { 1 });
        }
        let said = ["Unknown", "Valid", "Blank", "Blank"][usize::from(checksum)];
        let what = format!("frame {index}, of {parts} part(s) and {extras} slot(s) about it");
        let slots = number.wrapping_sub(begin);
        lefts.push(slots);
        rows.push(frame(what, "-", &bytes, said).is("calls", given_back(begin, slots)));
    }
    let mut left: u32 = lefts.iter().sum();
    let mut rows: Vec<Row> = rows
        .into_iter()
        .zip(lefts)
        .map(|(row, slots)| {
            left -= slots;
            row.is("left", left)
        })
        .collect();
    rows.push(Row::new("what comes behind the last frame").is("frame", "None").is("calls", "-").is("left", 0));
    rows
}

pub fn dropped(rng: &mut Rng) -> Vec<Row> {
    let first = u32::MAX - rng.u32(..20);
    let mut cases = [
        ("refused", 3, Some("Refused"), "a frame whose second part could not be copied"),
        ("outside", 2, Some("OutOfPage"), "a frame with a part that ends one byte behind its page"),
        ("touching", 1, None, "a frame that ends with its page"),
        ("long", 17, Some("TooLong"), "a frame of 69632 bytes"),
        ("both", 2, Some("Refused"), "a frame with two mistakes"),
        ("memory", 1, Some("OutOfMemory"), "a frame for which there is no memory"),
    ];
    rng.shuffle(&mut cases);
    let mut rows = Vec::new();
    for (index, (case, slots, why, what)) in cases.into_iter().enumerate() {
        let first = first.wrapping_add(index as u32);
        let _at = rng.u16(..100);
        let status = rng.i16(1..=100);
        let row = match why {
            Some(why) => Row::new(what).is("case", case).is("frame", why),
            None => {
                let bytes: Vec<u8> = part(first % 64, 4096 - status as u16, status).collect();
                frame(what.to_owned(), case, &bytes, "Unknown")
            }
        };
        rows.push(row.is("calls", given_back(first, slots)).is("left", 1));
        let next = first.wrapping_add(slots);
        let bytes: Vec<u8> = part(next % 64, 0, 60).collect();
        let row = frame(format!("the frame behind {what}"), case, &bytes, "Unknown");
        rows.push(row.is("calls", given_back(next, 1)).is("left", 0));
    }
    for (case, what) in
        [("cut", "a frame that has to go on, and doesn't"), ("cut-extra", "a frame about which more was to be said")]
    {
        rows.push(Row::new(what).is("case", case).is("frame", "Cut").is("calls", given_back(first, 1)).is("left", 0));
        rows.push(Row::new(format!("what comes behind {what}")).is("frame", "None").is("calls", "-"));
    }
    rows
}

pub fn broken(_: &mut Rng) -> Vec<Row> {
    let cases = [
        ("id", "a response with another slot's id"),
        ("nobody", "a response in a slot without a page"),
        ("overrun", "a count that can't be"),
        ("later", "a wrong id in the middle of a frame"),
    ];
    cases.map(|(case, what)| Row::new(what).is("case", case).is("frame", "Broken")).into()
}

pub fn dom0(rng: &mut Rng) -> Vec<Row> {
    let seed = rng.u64(..);
    let lengths: [usize; 6] = std::array::from_fn(|_| rng.usize(1..=1486));
    let mut rows = Vec::new();
    for (number, length) in lengths.into_iter().enumerate() {
        let frame = experiment(seed.wrapping_add(number as u64), length);
        rows.push(Row::new("dom0's sending a frame").is("ask", "frame-send").is("dom0", "done"));
        let row = Row::new(format!("the frame of {} bytes that dom0 has sent", frame.len()));
        rows.push(row.is("frame", frame.len()).is("digest", fnv1a64(&frame)));
    }
    for _ in 0..3 {
        rows.push(Row::new("dom0's sending 100 frames").is("ask", "frame-send").is("dom0", "done"));
    }
    rows.push(Row::new("frames of 300 that dom0 has sent").is("more", 300));
    rows
}
