//! Exercise 2a: what `free_blocks::allocate` and `free` have to do to a set.
//!
//! Here memory is a plain list of frames that are free or not. Which blocks there are follows from it: a block is in
//! the set if all of its frames are free, and those of the next larger block around it are not.

use crate::check::expect::{Row, Value, list};
use fastrand::Rng;

/// The largest order there is.
const LARGEST: u32 = 20;
/// The most operations on a set that a step may take: some for each order.
const MOST_OPERATIONS: u64 = 250;

struct Memory {
    free: Vec<bool>,
}

impl Memory {
    fn is_free(&self, first: u64, count: u64) -> bool {
        let frames = self.free.len() as u64;
        first + count <= frames && self.free[first as usize..(first + count) as usize].iter().all(|free| *free)
    }

    fn set(&mut self, first: u64, count: u64, free: bool) {
        self.free[first as usize..(first + count) as usize].fill(free);
    }

    /// The blocks of the set as (first, order), by address.
    fn blocks(&self) -> Vec<(u64, u32)> {
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < self.free.len() as u64 {
            let sizes = (0..=LARGEST).rev().find(|order| at % (1 << order) == 0 && self.is_free(at, 1 << order));
            match sizes {
                Some(order) => {
                    blocks.push((at, order));
                    at += 1 << order;
                }
                None => at += 1,
            }
        }
        blocks
    }

    fn shown(&self) -> String {
        list(self.blocks().into_iter().map(|(first, order)| format!("{first}x{}", 1_u64 << order)))
    }

    fn allocate(&mut self, count: u64) -> Option<u64> {
        let fits = self.blocks().into_iter().filter(|(_, order)| count > 0 && 1 << order >= count);
        let (first, _) = fits.min_by_key(|(first, order)| (*order, *first))?;
        self.set(first, count, false);
        Some(first)
    }
}

fn shown(first: Option<u64>) -> String {
    first.map_or_else(|| "none".to_owned(), |first| first.to_string())
}

pub fn fits(rng: &mut Rng) -> Vec<Row> {
    let mut memory = Memory { free: vec![false; 1024] };
    for index in 0..12 {
        let start = 80 * index + rng.u64(..30);
        let length = rng.u64(1..=40);
        memory.set(start, length, true);
    }
    let mut rows = Vec::new();
    for number in 0..8_u32 {
        let count = if number.is_multiple_of(2) { 1 << rng.u32(..=number.min(5)) } else { rng.u64(1..=33) };
        let before = memory.shown();
        let first = shown(memory.allocate(count));
        let what = format!("run {}, of {count} frames, out of the blocks {before}", number + 1);
        rows.push(Row::new(what).is("count", count).is("first", first));
    }
    rows.push(Row::new("the blocks that are left").is("blocks", memory.shown()));
    rows
}

pub fn odd(rng: &mut Rng) -> Vec<Row> {
    let frames = rng.u64(1000..4000) | 1;
    let third = frames / 3;
    let mut memory = Memory { free: vec![false; frames as usize] };
    let mut rows = Vec::new();
    for index in 0..3 {
        let start = third * index + rng.u64(..third / 4);
        let count = if index < 2 { rng.u64(1..third / 2) } else { frames - start };
        memory.set(start, count, true);
        rows.push(Row::new(format!("{count} of {frames} frames freed, from {start} on")).is("result", "ok"));
    }
    rows.push(Row::new("the blocks that they make").is("blocks", memory.shown()));
    rows
}

pub fn merge(rng: &mut Rng) -> Vec<Row> {
    let frames = rng.usize(100..250);
    let mut order: Vec<u64> = (0..frames as u64).collect();
    rng.shuffle(&mut order);
    let mut memory = Memory { free: vec![false; frames] };
    let mut after = |frames: &[u64], what: &str| {
        frames.iter().for_each(|pfn| memory.set(*pfn, 1, true));
        Row::new(what).is("refused", 0).is("blocks", memory.shown())
    };
    let (first, second) = order.split_at(frames / 2);
    let half = format!("{} of {frames} frames freed one by one in any order", first.len());
    vec![after(first, &half), after(second, "all of them freed")]
}

pub fn refuse(rng: &mut Rng) -> Vec<Row> {
    let frames = rng.u64(250..400);
    let (a, length) = (rng.u64(10..50), rng.u64(8..40));
    let (b, few) = (rng.u64(150..180), rng.u64(1..=3));
    let mut memory = Memory { free: vec![false; frames as usize] };
    memory.set(a, length, true);
    memory.set(b, few, true);
    let none = |what: &str, case: &str| Row::new(what).is("case", case).is("first", "none");
    let refused = |what: String, case: &str, result: &str| Row::new(what).is("case", case).is("result", result);
    vec![
        none("a run of no frames", "zero"),
        none("a run that is longer than any block that is free", "many"),
        none("a run that is longer than the largest block", "huge"),
        none("a run of 2^64 - 1 frames", "most"),
        refused("no frames freed".into(), "zero", "no_frames"),
        refused(format!("2 frames freed from the last of {frames} on"), "end", "no_frames"),
        refused("the frame behind the last freed".into(), "behind", "no_frames"),
        refused("2 frames freed from 2^64 - 1 on".into(), "wrap", "no_frames"),
        refused(format!("{length} frames freed from {a} on, all of which are free"), "whole", "already_free"),
        refused(format!("a frame freed within the {length} from {a} on, which are free"), "inside", "already_free"),
        refused(format!("4 frames freed, the last of which, {a}, is free"), "last", "already_free"),
        refused(format!("{} frames freed around {b}, where {few} are free", few + 10), "around", "already_free"),
        Row::new("the blocks, which are those from before").is("blocks", memory.shown()),
    ]
}

pub fn random(rng: &mut Rng) -> Vec<Row> {
    let frames = rng.usize(500..1000);
    let mut memory = Memory { free: vec![true; frames] };
    let mut runs = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..300 {
        if runs.is_empty() || runs.len() < 64 && rng.bool() {
            let count = rng.u64(1..=40);
            let first = memory.allocate(count);
            runs.extend(first.map(|first| (first, count)));
            answers.push(shown(first));
        } else {
            let (first, count) = runs.swap_remove(rng.usize(..runs.len()));
            memory.set(first, count, true);
        }
    }
    let answers = Row::new("the first frames of the runs taken in 300 steps").is("answers", list(answers));
    let blocks = Row::new("the blocks in the end, and the operations of the most expensive step");
    let blocks = blocks.is("blocks", memory.shown()).value("most", Value::AtMost(MOST_OPERATIONS));
    vec![answers.is("refused", 0), blocks]
}
