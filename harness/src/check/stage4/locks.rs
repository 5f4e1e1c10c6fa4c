//! Exercise 4c: what becomes of the words, and who has to be woken.

use crate::check::expect::{Row, Value};
use fastrand::Rng;

const FREE: u32 = 0;
const LOCKED: u32 = 1;
const CONTENDED: u32 = 2;

pub fn free(rng: &mut Rng) -> Vec<Row> {
    let times = rng.u32(1..=8);
    // Locked after the first two steps, free, locked after two more, free; the try in the middle is the one that takes it.
    let row = Row::new(format!("a lock that nobody else wants, {times} times"));
    let row = row.is("words", times * (2 * LOCKED + FREE + 2 * LOCKED + FREE)).is("tries", times);
    vec![row.is("waits", 0).is("wakes", 0)]
}

pub fn contended(rng: &mut Rng) -> Vec<Row> {
    let futile = rng.u32(..6);
    let row = |what: &str, case: &str, asleep: u32| {
        let row = Row::new(format!("a lock that is taken, woken {futile} times in vain, {what}")).is("case", case);
        let row = row.is("result", "taken").is("word", CONTENDED).is("waits", futile + 1).is("asleep", asleep);
        row.is("after", FREE).is("wakes", 1).is("woken", 1)
    };
    vec![row("then free", "woken", futile + 1), row("then free before the sleep begins", "changed", futile)]
}

pub fn deadline(rng: &mut Rng) -> Vec<Row> {
    let futile = rng.u32(..6);
    let row = Row::new(format!("a lock that is taken until the deadline, after {futile} sleeps in vain"));
    let row = row.is("result", "timed_out").is("word", CONTENDED).is("waits", futile + 1);
    vec![row.is("deadlines", futile + 1).is("wakes", 0)]
}

pub fn condition(rng: &mut Rng) -> Vec<Row> {
    let count = rng.u32(..);
    let most = rng.usize(1..=9);
    let row = |what: &str, case: &str, result: &str, asleep: u32| {
        let row = Row::new(format!("a condition: {what}")).is("case", case).is("result", result);
        row.is("asleep", asleep).is("unlocked", FREE).is("held", 1).is("deadlines", 0)
    };
    let next = count.wrapping_add(1);
    vec![
        row("notified right behind the unlocking", "early", "notified", 0),
        row("notified during the sleep", "during", "notified", 1),
        row("not notified until the deadline", "never", "timed_out", 1),
        row("another has the lock when the sleep ends", "taken", "notified", 1),
        Row::new(format!("a notification of {most}, the count being {count}"))
            .is("case", "notify")
            .is("condition", next)
            .is("wakes", 1)
            .is("woken", most)
            .is("seen", next),
    ]
}

pub fn threads(rng: &mut Rng) -> Vec<Row> {
    let workers = rng.u64(4..=8);
    let rounds = rng.u64(200..=500);
    let items = rng.u64(200..=500);
    let takers = rng.u64(1..=3);
    let span = rng.u64(100..=200);
    let sum = rounds * (1..=workers).sum::<u64>();
    vec![
        Row::new(format!("{workers} threads that count {rounds} times each")).is("case", "count").is("sum", sum),
        Row::new(format!("{items} items for {takers} threads"))
            .is("case", "items")
            .is("sum", (1..=items).sum::<u64>())
            .is("takers", takers),
        Row::new(format!("the processor time, in ms, of a thread that waits for {span} ms"))
            .is("case", "patient")
            .value("used", Value::AtMost(span * 3 / 4)),
        Row::new(format!("a wait with a deadline after {} ms", span / 4))
            .is("case", "deadline")
            .is("timed_out", 1)
            .is("early", 0),
    ]
}
