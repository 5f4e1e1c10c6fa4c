//! Exercise 3b: which time `clock::scale`, `read` and `latest` have to find.

use crate::check::expect::{Row, list};
use fastrand::Rng;

/// The definition, bit by bit: the ticks are shifted, multiplied and divided by 2^32.
fn nanoseconds(ticks: u64, multiplier: u32, shift: i8) -> u64 {
    let factor = u128::from(multiplier);
    let scaled = match u32::try_from(shift) {
        Ok(left) => ((u128::from(ticks) << left) * factor) >> 32,
        Err(_) => ((u128::from(ticks) >> -i32::from(shift)) * factor) >> 32,
    };
    scaled.min(u64::MAX.into()) as u64
}

pub fn scale(rng: &mut Rng) -> Vec<Row> {
    let mut inputs: Vec<(u64, u32, i8)> = (0..8).map(|_| (rng.u64(..), rng.u32(1..), rng.i8(-32..=32))).collect();
    inputs.extend((0..4).map(|_| (rng.u64(..1 << 44), rng.u32(1 << 31..), rng.i8(-4..=4))));
    inputs.extend([(u64::MAX, u32::MAX, 32), (u64::MAX, u32::MAX, 0), (3, 1 << 31, 0), (1, 1 << 31, 1)]);
    let row = |(ticks, multiplier, shift): (u64, u32, i8)| {
        let what = format!("{ticks} ticks, multiplier {multiplier}, shift {shift}");
        Row::new(what).is("result", nanoseconds(ticks, multiplier, shift))
    };
    inputs.into_iter().map(row).collect()
}

/// What a time consists of. The version is only drawn here.
struct Fields {
    system_time: u64,
    multiplier: u32,
    shift: i8,
    ticks: u64,
}

impl Fields {
    fn draw(rng: &mut Rng) -> Self {
        let _version = rng.u32(..1 << 31);
        let _timestamp = rng.u64(1 << 45..1 << 50);
        let system_time = rng.u64(..1 << 50);
        let multiplier = rng.u32(1 << 31..);
        let shift = rng.i8(-2..=2);
        Self { system_time, multiplier, shift, ticks: rng.u64(1..1 << 40) }
    }

    fn time(&self) -> u64 {
        self.system_time + nanoseconds(self.ticks, self.multiplier, self.shift)
    }
}

pub fn read(rng: &mut Rng) -> Vec<Row> {
    let row = |what: &str, case: &str, result: u64| Row::new(what).is("case", case).is("result", result);
    let [later, equal, behind] = [Fields::draw(rng), Fields::draw(rng), Fields::draw(rng)];
    vec![
        row("a counter that has gone on since the timestamp", "later", later.time()),
        row("a counter at its timestamp", "equal", equal.system_time),
        row("a counter behind its timestamp", "behind", behind.system_time),
    ]
}

pub fn version(rng: &mut Rng) -> Vec<Row> {
    let cases = [
        ("changing", "a time that Xen writes anew while it is read"),
        ("writing", "a time that Xen is just writing"),
        ("wrapping", "the same, and the version wraps"),
    ];
    let row = |(case, what): (&str, &str)| {
        let [_, _, last] = [Fields::draw(rng), Fields::draw(rng), Fields::draw(rng)];
        if case == "changing" {
            let _ = (rng.u32(1..=6), rng.u32(1..=6));
        } else {
            let _ = rng.u32(8..=20);
        }
        Row::new(what).is("case", case).is("result", last.time())
    };
    cases.into_iter().map(row).collect()
}

pub fn latest(rng: &mut Rng) -> Vec<Row> {
    let mut kept = rng.u64(..1 << 40);
    let mut returned = Vec::new();
    for _ in 0..16 {
        kept = kept.max(rng.u64(..1 << 41));
        returned.push(kept);
    }
    vec![Row::new("16 readings, of which some go backward").is("returned", list(returned)).is("kept", kept)]
}
