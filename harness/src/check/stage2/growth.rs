//! Exercise 2c: how `heap_space::grow` has to let a heap grow.
//!
//! The rules, as the lab has them, played through on a list of the lengths of free runs.

use crate::check::expect::{Row, list};
use fastrand::Rng;

const PAGE: u64 = 4096;
const LARGEST_RUN: u64 = 512;
const SMALLEST_GROWTH: u64 = 16;
const OVERHEAD: u64 = 32;

/// What a heap meets with.
struct Case {
    size: u64,
    align: u64,
    /// Pages up to its limit.
    room: u64,
    /// Free runs.
    free: Vec<u64>,
    /// The last page that can be mapped.
    last_page: u64,
}

impl Case {
    fn new(size: usize, align: u64, room: u64, free: &[u64]) -> Self {
        Self { size: size as u64, align, room, free: free.to_vec(), last_page: u64::MAX }
    }

    fn failing_behind(self, last_page: u64) -> Self {
        Self { last_page, ..self }
    }

    fn needed(&self) -> u64 {
        let bytes = u128::from(self.size) + u128::from(self.align) + u128::from(OVERHEAD);
        u64::try_from(bytes.div_ceil(u128::from(PAGE))).unwrap_or(u64::MAX)
    }

    /// The runs that are mapped, and why no more are.
    fn runs(&mut self) -> (Vec<u64>, &'static str) {
        let wanted = self.needed().max(SMALLEST_GROWTH).min(self.room);
        let mut runs: Vec<u64> = Vec::new();
        let mut most = LARGEST_RUN;
        loop {
            let mapped: u64 = runs.iter().sum();
            if mapped == wanted {
                return (runs, "ok");
            }
            most = most.min(wanted - mapped);
            let lengths = std::iter::successors(Some(most), |length| (*length > 1).then_some(length / 2));
            let found = lengths.into_iter().find_map(|length| {
                let run = self.free.iter_mut().find(|run| **run >= length)?;
                *run -= length;
                Some(length)
            });
            match found {
                None => return (runs, "out_of_memory"),
                Some(length) if mapped + length > self.last_page => return (runs, "map"),
                Some(length) => {
                    runs.push(length);
                    most = length;
                }
            }
        }
    }

    /// The two records of a growth.
    fn rows(mut self, what: &str, case: &str) -> [Row; 2] {
        let needed = self.needed();
        let what = format!("{what}: {} bytes aligned to {}, so {needed} pages needed", self.size, self.align);
        let (runs, reason) = if needed > self.room { (Vec::new(), "no_room") } else { self.runs() };
        let mapped: u64 = runs.iter().sum();
        let grows = reason == "ok" || reason != "no_room" && mapped >= needed;
        let (result, grown) = if grows { ("ok", mapped) } else { (reason, 0) };
        let starts = runs.iter().scan(0, |page, length| {
            *page += length;
            Some(*page - length)
        });
        let maps = list(starts.zip(&runs).map(|(page, length)| format!("{page}+{length}")));
        let row = Row::new(&what).is("case", case).is("result", result).is("grown", grown);
        let row = row.is("extends", u32::from(grows)).is("late", 0);
        [row, Row::new(what).is("maps", maps).is("kept", grown).is("unmapped", mapped - grown)]
    }
}

fn draw_start(rng: &mut Rng) {
    rng.u64(0x1000..0x8000);
}

pub fn amount(rng: &mut Rng) -> Vec<Row> {
    draw_start(rng);
    let mut rows = Vec::new();
    for limit in [100, 5000, 70_000, 300_000, 3_000_000, 9_000_000] {
        let (size, align) = (rng.usize(1..=limit), 1 << rng.u32(..=16));
        rows.extend(Case::new(size, align, 1 << 20, &[1 << 20]).rows("frames enough", "plenty"));
    }
    let size = rng.usize(1..=20_000);
    rows.extend(Case::new(size, 8, 14, &[1 << 20]).rows("room for 14 pages", "room"));
    rows
}

pub fn pieces(rng: &mut Rng) -> Vec<Row> {
    draw_start(rng);
    let runs: Vec<u64> = (0..16).map(|_| rng.u64(1..=40)).collect();
    let size = rng.usize(1..=250_000);
    let what = format!("runs of {} frames free", list(&runs));
    Case::new(size, 16, 1 << 20, &runs).rows(&what, "pieces").into()
}

pub fn short(rng: &mut Rng) -> Vec<Row> {
    draw_start(rng);
    let (first, second) = (rng.u64(1..=4), rng.u64(1..=4));
    let frames = Case::new(100, 8, 1 << 20, &[first, second]);
    let map = Case::new(8 * PAGE as usize - 100, 8, 1 << 20, &[8; 3]).failing_behind(8 + first);
    let frames = frames.rows(&format!("runs of {first} and {second} frames free"), "frames");
    [frames, map.rows("three runs of 8 frames free, and the second can't be mapped", "map")].concat()
}

pub fn undo(rng: &mut Rng) -> Vec<Row> {
    draw_start(rng);
    let runs = rng.usize(3..10);
    let size = rng.usize(200_000..300_000);
    let case = |room, free: &[u64]| Case::new(size, 64, room, free);
    let behind = 16 * (runs as u64 / 4) + 1;
    let overflow = Case::new(isize::MAX as usize - 4095, 4096, 1 << 20, &[1000]);
    let rows = [
        case(1 << 20, &vec![4; runs]).rows(&format!("{runs} runs of 4 frames free"), "frames"),
        case(1 << 20, &[16; 10]).failing_behind(behind).rows("runs of 16 frames, most of which can't be mapped", "map"),
        case(10, &[1000]).rows("room for 10 pages", "limit"),
        overflow.rows("a size near the end of all numbers", "overflow"),
        case(1 << 20, &[]).rows("no frames free", "none"),
    ];
    rows.concat()
}
