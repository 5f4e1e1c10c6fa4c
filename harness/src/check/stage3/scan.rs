//! Exercise 3a: which ports `pending::scan` has to deliver, and how often.

use crate::check::expect::{Row, list};
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};

const EDGES: [u32; 8] = [1, 31, 32, 63, 64, 1023, 1024, 4095];

/// The record of a scan: how often each port has to be delivered, and which stay pending.
fn row(what: &str, case: &str, delivered: &BTreeMap<u32, u64>, left: &BTreeSet<u32>) -> Row {
    let times = |(port, count): (&u32, &u64)| if *count == 1 { port.to_string() } else { format!("{port}*{count}") };
    let row = Row::new(what).is("case", case).is("delivered", list(delivered.iter().map(times)));
    row.is("left", list(left)).is("flag", 0).is("selector", 0)
}

fn once(ports: impl IntoIterator<Item = u32>) -> BTreeMap<u32, u64> {
    ports.into_iter().map(|port| (port, 1)).collect()
}

pub fn ports(rng: &mut Rng) -> Vec<Row> {
    let count = rng.usize(5..=20);
    let drawn: Vec<u32> = (0..count).map(|_| rng.u32(1..4096)).collect();
    let nothing = BTreeSet::new();
    vec![
        row("ports at the ends of words, and others", "edges", &once(EDGES.into_iter().chain(drawn)), &nothing),
        row("a flag and a selector that announce nothing", "none", &BTreeMap::new(), &nothing),
    ]
}

pub fn masked(rng: &mut Rng) -> Vec<Row> {
    let mut raised = BTreeSet::new();
    let mut disabled = BTreeSet::new();
    for _ in 0..24 {
        let port = rng.u32(1..4096);
        raised.insert(port);
        if rng.u8(..3) != 0 {
            disabled.insert(port);
        }
    }
    let free = raised.difference(&disabled).copied();
    let first = row("ports of which some are masked or another vCPU's", "disabled", &once(free), &disabled);
    let pair = Row::new("a port that the handler of another one of its word masks");
    let pair = pair.is("case", "handler").is("deliveries", 1).is("left", 1);
    vec![first, pair]
}

pub fn again(rng: &mut Rng) -> Vec<Row> {
    let nothing = BTreeSet::new();
    let port = rng.u32(1..4096);
    let times = rng.u8(1..=5);
    let same = BTreeMap::from([(port, u64::from(times) + 1)]);
    let mut rows =
        vec![row(&format!("a port that comes again while it is delivered, {times} times"), "same", &same, &nothing)];
    let (port, lower) = (rng.u32(70..4096), rng.u32(1..64));
    rows.push(row("a handler that sends to a lower port", "other", &once([port, lower]), &nothing));
    for (case, what) in [
        ("flag", "an event right behind the clearing of the flag"),
        ("selector", "an event right behind the taking of the selector"),
    ] {
        let (port, late) = (rng.u32(1..4096), rng.u32(1..4096));
        rows.push(row(what, case, &once([port, late]), &nothing));
    }
    rows
}

pub fn order() -> Vec<Row> {
    let row = Row::new("the order of the accesses");
    vec![row.is("early", 0).is("unordered", 0).is("others", 0).is("idle", 0)]
}
