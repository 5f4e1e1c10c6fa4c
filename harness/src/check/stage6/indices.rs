//! Exercise 6a: what a ring's numbers have to come to.

use crate::check::expect::Row;
use fastrand::Rng;

pub fn slots(rng: &mut Rng) -> Vec<Row> {
    let drawn: [usize; 4] = std::array::from_fn(|_| rng.usize(2..=600));
    let sizes = [8, 12, 112, 4032, 4033, 0, 1].into_iter().chain(drawn);
    let row = |bytes: usize| {
        let slots = (0..=12).rev().map(|bits| 1 << bits).find(|slots| bytes > 0 && slots * bytes <= 4096 - 64);
        Row::new(format!("slots of {bytes} bytes")).is("bytes", bytes).is("slots", slots.unwrap_or(0))
    };
    sizes.map(row).collect()
}

fn row(what: String, case: &str, result: impl ToString, calls: String) -> Row {
    Row::new(what).is("case", case).is("result", result).is("calls", calls)
}

pub fn waiting(rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for near_the_end in [false, true] {
        let consumed = if near_the_end { u32::MAX - rng.u32(..100) } else { rng.u32(..) };
        let flying = rng.u32(2..=256);
        let some = rng.u32(1..flying);
        let cases = [
            ("none", Some(0)),
            ("some", Some(some)),
            ("all", Some(flying)),
            ("more", None),
            ("before", None),
            ("wild", None),
        ];
        for (case, result) in cases {
            let what = format!("responses ({case}) behind number {consumed}, of {flying} that may come");
            let result = result.map_or("overrun".to_owned(), |count| count.to_string());
            rows.push(row(what, case, result, "p".to_owned()));
        }
    }
    rows
}

pub fn publish(rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for near_the_end in [false, true] {
        let from = if near_the_end { u32::MAX - rng.u32(..30) } else { rng.u32(..) };
        let count = rng.u32(2..=64);
        let _within = rng.u32(1..=count);
        let cases = [
            ("old", false),
            ("first", true),
            ("within", true),
            ("last", true),
            ("next", false),
            ("behind", false),
            ("ahead", false),
        ];
        for (case, told) in cases {
            let to = from.wrapping_add(count);
            let what = format!("requests {from} to {to}, an event wanted {case}");
            rows.push(row(what, case, told, format!("P{to},b,e")));
        }
    }
    rows
}

pub fn event(rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for at_the_end in [false, true] {
        let consumed = if at_the_end { u32::MAX } else { rng.u32(..) };
        let more = rng.u32(1..=256);
        for (case, result) in [("none", false), ("more", true)] {
            let what = format!("{consumed} responses consumed, and then {}", if result { more } else { 0 });
            rows.push(row(what, case, result, format!("E{},b,p", consumed.wrapping_add(1))));
        }
    }
    rows
}
