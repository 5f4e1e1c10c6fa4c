//! Exercise 5c: what has to become of transactions.

use super::word;
use crate::check::expect::{Row, hex};
use fastrand::Rng;

const ERRORS: [&str; 4] = ["denied", "quota", "too_large", "timed_out"];

fn row(what: &str, case: &str, result: impl ToString, calls: &str) -> Row {
    Row::new(what).is("case", case).is("result", result).is("calls", calls)
}

pub fn commit(rng: &mut Rng) -> Vec<Row> {
    let _first = rng.u32(1..1 << 30);
    let value = rng.u32(..);
    let _attempts = rng.u32(1..=10);
    let error = ERRORS[rng.usize(..4)];
    vec![
        row("a transaction without conflicts", "plain", value, "s0,b0,c0"),
        row("a transaction that can't be started", "refused", error, "s0"),
    ]
}

pub fn retry(rng: &mut Rng) -> Vec<Row> {
    let _first = rng.u32(1..1 << 30);
    let conflicts = rng.u32(1..=5);
    let attempts = conflicts + rng.u32(1..=4);
    let value = rng.u32(..);
    // `end` says how attempt number `at` ends.
    let calls = |attempts: u32, end: &dyn Fn(u32) -> char| {
        let calls: Vec<String> = (0..attempts).map(|at| format!("s{at},b{at},{}{at}", end(at))).collect();
        calls.join(",")
    };
    let in_body = |at: u32| if at < conflicts { 'a' } else { 'c' };
    let in_turn = |at: u32| if at < conflicts && at.is_multiple_of(2) { 'a' } else { 'c' };
    let what = |how: &str| format!("{conflicts} conflicts {how}, of {attempts} attempts");
    vec![
        row(&what("at the commit"), "commit", value, &calls(conflicts + 1, &|_| 'c')),
        row(&what("within the transaction"), "body", value, &calls(conflicts + 1, &in_body)),
        row(&what("of both kinds"), "both", value, &calls(conflicts + 1, &in_turn)),
        row(&format!("conflicts in all of {attempts} attempts"), "never", "conflict", &calls(attempts, &|_| 'c')),
    ]
}

pub fn abort(rng: &mut Rng) -> Vec<Row> {
    let _first = rng.u32(1..1 << 30);
    let _attempts = rng.u32(2..=10);
    let error = ERRORS[rng.usize(..4)];
    vec![
        row("a body that fails", "body", error, "s0,b0,a0"),
        row("a body that fails, and an abort that does, too", "abort", error, "s0,b0,a0"),
        row("a commit that is refused", "commit", error, "s0,b0,c0"),
        row("a conflict, and then no new transaction", "start", error, "s0,b0,c0,s1"),
    ]
}

pub fn take(rng: &mut Rng) -> Vec<Row> {
    let _first = rng.u32(1..1 << 30);
    let (command, newer) = (word(rng, 6), word(rng, 6));
    let row = |what: &str, case: &str, result: String, content: &str, writes: u32| {
        let row = Row::new(what).is("case", case).is("result", result).is("content", content);
        row.is("writes", writes).is("open", 0)
    };
    vec![
        row("a command", "plain", hex(command.as_bytes()), "-", 1),
        row("a command that is replaced meanwhile", "replaced", hex(newer.as_bytes()), "-", 2),
        row("an empty node", "empty", "none".into(), "-", 0),
        row("no node", "missing", "none".into(), "not_found", 0),
        row("a node that may not be read", "denied", "denied".into(), "denied", 0),
    ]
}

pub fn dom0(rng: &mut Rng) -> Vec<Row> {
    let start = rng.u32(..1000);
    let turns = rng.u32(3..=6);
    let steps: u32 = (0..4).map(|_| rng.u32(1..100)).sum();
    let sum = (start + turns * steps).to_string();
    vec![
        Row::new(format!("{turns} additions by each of four threads")).is("written", "ok").is("failed", 0),
        Row::new("the sum that dom0 reads").is("ask", "store-read").is("dom0", hex(sum.as_bytes())),
    ]
}
