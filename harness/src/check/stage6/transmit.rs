//! Exercise 6c: what has to become of frames that are sent.

use super::bytes;
use crate::check::expect::{Row, Value, fnv1a64, list};
use crate::check::frames::EXPERIMENT;
use fastrand::Rng;

const BLANK: u16 = 1;
const MORE: u16 = 4;

/// All ways to call `fill` and `offer` that are right: page by page, or all pages first.
fn calls(frame: &[u8], blank: bool, first_page: usize) -> Value {
    let parts = frame.len().div_ceil(4096);
    let steps: Vec<(String, String)> = frame
        .chunks(4096)
        .enumerate()
        .map(|(index, part)| {
            let page = first_page - index;
            let flags = if blank && index == 0 { BLANK } else { 0 } | if index + 1 < parts { MORE } else { 0 };
            let size = if index == 0 { frame.len() } else { part.len() };
            (format!("f{page}:{}", fnv1a64(part)), format!("o{page}:{flags}:{size}"))
        })
        .collect();
    let in_turn = list(steps.iter().flat_map(|(fill, offer)| [fill, offer]));
    let fills_first = list(steps.iter().map(|(fill, _)| fill).chain(steps.iter().map(|(_, offer)| offer)));
    Value::OneOf(vec![in_turn, fills_first])
}

pub fn parts(rng: &mut Rng) -> Vec<Row> {
    let drawn: [usize; 3] = std::array::from_fn(|_| rng.usize(60..=20_000));
    let mut rows = Vec::new();
    for length in [14, 1514, 4096, 4097, 8192, 65535].into_iter().chain(drawn) {
        let blank = rng.bool();
        let frame = bytes(rng, length);
        let row = Row::new(format!("a frame of {length} bytes")).is("length", length).is("result", "Ok(())");
        rows.push(row.value("calls", calls(&frame, blank, 40)));
    }
    rows
}

pub fn refused(rng: &mut Rng) -> Vec<Row> {
    let parts = rng.u32(2..=10) as usize;
    let row = |what: &str, case: &str, result: &str| Row::new(what).is("case", case).is("result", result);
    let refused = |what: &str, case: &str, error: &str, spare: usize| {
        row(what, case, &format!("Err({error})")).is("calls", "-").is("spare", spare)
    };
    let sent = |what: &str, case: &str, parts: usize, pages: usize| {
        let value = calls(&vec![0; parts * 4096], false, pages - 1);
        row(what, case, "Ok(())").value("calls", value).is("spare", pages - parts)
    };
    vec![
        refused("a frame of 13 bytes", "short", "TooShort", 40),
        refused("a frame of 65536 bytes", "long", "TooLong", 40),
        refused("a frame in parts for a backend that takes none", "whole", "TooLong", 40),
        sent("a frame of a page for such a backend", "page", 1, 40),
        refused("a frame for which a slot is missing", "room", "Full", 40),
        sent("a frame that just fits", "fits", parts, parts),
        refused("a frame for which a page is missing", "pages", "Full", parts - 1),
    ]
}

pub fn reap(rng: &mut Rng) -> Vec<Row> {
    let count = rng.usize(5..=30);
    let mut order: Vec<u16> = (0..count as u16).collect();
    rng.shuffle(&mut order);
    let (mut sent, mut failed) = (0, 0);
    for _ in &order {
        match rng.i16(-2..=1) {
            1 => {
                let _id = rng.u16(..);
                sent += 1;
            }
            0 => sent += 1,
            _ => failed += 1,
        }
    }
    let row = Row::new(format!("responses for {count} parts")).is("result", format!("{sent}/{failed}"));
    let again = Row::new("no more responses").is("result", "0/0").is("calls", "-");
    vec![row.is("calls", list(order.iter().map(|page| format!("g{page}")))), again]
}

pub fn broken(_: &mut Rng) -> Vec<Row> {
    let row =
        |what: &str, case: &str, calls: &str| Row::new(what).is("case", case).is("result", "Broken").is("calls", calls);
    vec![
        row("a response for what was never sent", "unknown", "-"),
        row("two responses for one part", "twice", "g3"),
        row("a count that can't be", "overrun", "-"),
    ]
}

fn headed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 6]);
    frame[12..14].copy_from_slice(&EXPERIMENT.to_be_bytes());
    frame
}

pub fn dom0(rng: &mut Rng) -> Vec<Row> {
    let mut lengths: Vec<usize> = (0..8).map(|_| rng.usize(60..=1514)).collect();
    lengths.extend((0..2).map(|_| rng.usize(4097..=9000)));
    let frames: Vec<Vec<u8>> = lengths.iter().map(|length| headed(bytes(rng, *length))).collect();
    let watch = Row::new("dom0's looking at the interface").is("ask", "frames-watch").is("dom0", "done");
    let what = format!("frames of {} bytes, as dom0 sees them", list(&lengths));
    let seen = Row::new(what).is("ask", "frames-seen").is("dom0", list(frames.iter().map(fnv1a64)));
    let mut rows = vec![watch, seen];
    for round in 0..3_u16 {
        let all: Vec<u8> = (round * 100..(round + 1) * 100)
            .flat_map(|number| {
                let mut frame = headed(vec![0; 60]);
                frame[14..16].copy_from_slice(&number.to_be_bytes());
                frame
            })
            .collect();
        let what = format!("the frames from number {} on, in order, as dom0 sees them", round * 100);
        rows.push(Row::new(what).is("ask", "frames-digest").is("dom0", fnv1a64(&all)));
    }
    rows
}
