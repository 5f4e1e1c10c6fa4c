//! Exercise 7a: what may be asked for, and the words in which it is.

use crate::check::expect::{Row, list};
use fastrand::Rng;

pub fn check(rng: &mut Rng) -> Vec<Row> {
    let case = |case: u32| {
        let block = if rng.bool() { 8 } else { 1 };
        let size = rng.u64(64..1_000_000) * block;
        let read_only = rng.bool();
        let operation = ["a read", "a write", "a flush", "a discard"][rng.usize(..4)];
        let sectors = rng.u64(..64) * block + u64::from(rng.bool());
        let kind = rng.u8(..6);
        let any = rng.u64(..size);
        let sector = match kind {
            0 => size - sectors,
            1 => size - sectors + block,
            2 => (u64::MAX - any % 64) / block * block,
            3 => any,
            _ => any / block * block,
        };
        let end = sector.saturating_add(sectors);
        let got = match operation {
            "a flush" => "ok".to_owned(),
            "a write" | "a discard" if read_only => "read_only".to_owned(),
            _ if !sector.is_multiple_of(block) || !sectors.is_multiple_of(block) => "unaligned".to_owned(),
            _ if end > size => format!("beyond:{}:{}", end.saturating_mul(512), size * 512),
            _ => "ok".to_owned(),
        };
        let mode = if read_only { "read-only" } else { "writable" };
        let what = format!(
            "{operation} of {sectors} sectors from {sector} on, of {size} in blocks of {} bytes, {mode}",
            block * 512
        );
        Row::new(what).is("case", case).is("result", got)
    };
    (0..128).map(case).collect()
}

pub fn cut(rng: &mut Rng) -> Vec<Row> {
    let case = |case: usize| {
        let sector = rng.u64(..1 << 40);
        let segments = rng.usize(1..=64);
        let random = rng.usize(..5000);
        let full = segments * 8;
        let sectors = [0, full, full + 1, full - 1, 3 * full].get(case).copied().unwrap_or(random);
        let (mut parts, mut done) = (Vec::new(), 0);
        while done < sectors {
            let here = full.min(sectors - done);
            parts.push(format!("{}+{here}", sector + done as u64));
            done += here;
        }
        let what = format!("{sectors} sectors from {sector} on, in parts of {segments} pages");
        Row::new(what).is("case", case).is("parts", list(parts))
    };
    (0..12).map(case).collect()
}

pub fn spread(rng: &mut Rng) -> Vec<Row> {
    let case = |case: usize| {
        let random = rng.usize(1..=88);
        let sectors: usize = [8, 9, 7, 1].get(case).copied().unwrap_or(random);
        let needed = sectors.div_ceil(8);
        let pages = needed + rng.usize(..3);
        let pages: Vec<u32> = (0..pages).map(|_| rng.u32(..)).collect();
        let segment = |index: usize| format!("{}:0-{}", pages[index], (sectors - 8 * index).min(8) - 1);
        let what = format!("{sectors} sectors on {} pages", pages.len());
        Row::new(what).is("case", case).is("segments", list((0..needed).map(segment)))
    };
    (0..10).map(case).collect()
}

pub fn encode(rng: &mut Rng) -> Vec<Row> {
    (0..12).map(|case| encoded(rng, case)).collect()
}

fn encoded(rng: &mut Rng, case: usize) -> Row {
    let kind = case % 4;
    let (handle, id, sector, sectors) = (u64::from(rng.u16(..)), rng.u64(..), rng.u64(..), rng.u64(..));
    let count = match kind {
        0 | 1 => rng.usize(1..=11),
        2 => rng.usize(12..=64),
        _ => 0,
    };
    let table = u64::from(rng.u32(..));
    let write = rng.bool();
    let mut segment = || u64::from(rng.u32(..)) | u64::from(rng.u8(..4)) << 32 | u64::from(rng.u8(4..8)) << 40;
    let segments: Vec<u64> = (0..count).map(|_| segment()).collect();
    let direction = u64::from(write);
    let mut words = [0; 14];
    words[1] = id;
    words[2] = sector;
    let what = match (kind, write) {
        (3, true) => {
            words[0] = 3 | handle << 16;
            words[2] = 0;
            "a flush".to_owned()
        }
        (3, false) => {
            words[0] = 5 | handle << 16;
            words[3] = sectors;
            "a discard".to_owned()
        }
        (2, _) => {
            words[0] = 6 | direction << 8 | (count as u64) << 16;
            words[3] = handle | table << 32;
            format!("an indirect request of {count} segments")
        }
        _ => {
            words[0] = direction | (count as u64) << 8 | handle << 16;
            words[3..3 + count].copy_from_slice(&segments);
            format!("a request of {count} segments")
        }
    };
    let hex = |word: &u64| format!("{word:x}");
    let some = segments.iter().take(2).chain(segments.last()).map(hex);
    Row::new(what).is("case", case).is("words", list(words.iter().map(hex))).is("segments", list(some))
}
