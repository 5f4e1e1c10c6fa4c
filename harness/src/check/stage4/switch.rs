//! Exercise 4a: what both sides of a switch have to find.

use crate::check::expect::{Row, Value, digest, list};
use fastrand::Rng;

/// MXCSR and the x87 control word of a new thread.
const MXCSR: u32 = 0x1f80;
const X87: u32 = 0x37f;

pub fn start(rng: &mut Rng) -> Vec<Row> {
    (0..3)
        .map(|_| {
            let lowered = rng.usize(..64);
            let _rounding = rng.u32(1..=3);
            // Behind the call, 8 bytes below a multiple of 16; the words of the first frame may lie above.
            let room = (0..=15).map(|unused| (8 + 16 * unused).to_string()).collect();
            let row = Row::new(format!("a stack whose top is lowered by {}", 16 * lowered));
            let row = row.value("room", Value::OneOf(room)).is("align", 8).is("rbp", 0);
            row.is("mxcsr", MXCSR).is("x87", X87).is("runs", 2)
        })
        .collect()
}

pub fn registers(rng: &mut Rng) -> Vec<Row> {
    let mine: Vec<u64> = (0..6).map(|_| rng.u64(..)).collect();
    let theirs: Vec<u64> = (0..6).map(|_| rng.u64(..)).collect();
    let row = |what: &str, side: &str, values: &[u64]| {
        Row::new(format!("rbx, rbp, r12 to r15 {what}")).is("side", side).is("values", list(values.iter().copied()))
    };
    vec![
        row("of this side, after the first switch", "mine", &mine),
        row("of this side, after the second switch", "mine", &mine),
        row("of the other side, when it ran again", "theirs", &theirs),
    ]
}

pub fn float(rng: &mut Rng) -> Vec<Row> {
    let (mine, theirs) = (rng.u32(..4), rng.u32(..4));
    let row = |what: &str, side: &str, mode: u32| {
        let row = Row::new(format!("the modes of {what}")).is("side", side);
        row.is("mxcsr", MXCSR | mode << 13).is("x87", X87 | mode << 10)
    };
    vec![
        row("this side, after the first switch", "mine", mine),
        row("the other side, when it ran again", "theirs", theirs),
        row("this side, after the second switch", "mine", mine),
    ]
}

pub fn many(rng: &mut Rng) -> Vec<Row> {
    let stacks = rng.usize(2..=6);
    let turns = rng.usize(200..=400);
    let mut players: Vec<[u64; 3]> = (0..stacks).map(|_| [rng.u64(..), 0, 1]).collect();
    let all: Vec<u64> = (0..turns as u64)
        .map(|turn| {
            let [number, sum, product] = &mut players[rng.usize(..stacks)];
            *number = number.rotate_left(7) ^ turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *sum = sum.wrapping_add(*number);
            *product = product.wrapping_mul(*number | 1);
            *number ^ *sum ^ *product
        })
        .collect();
    let row = Row::new(format!("{turns} turns of {stacks} stacks")).is("stacks", stacks).is("turns", turns);
    vec![row.is("digest", digest(all))]
}
