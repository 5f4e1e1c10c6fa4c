//! Exercises 3a and 3b under Xen: how many events have to come, and when Xen has to wake the guest.

use crate::check::expect::{Row, Value};
use fastrand::Rng;

const EDGES: [u32; 6] = [31, 32, 63, 64, 1023, 4095];
/// How late a wake-up may be on a machine that has other things to do, in milliseconds.
const LATE: u64 = 2000;

pub fn ports(rng: &mut Rng) -> Vec<Row> {
    let mut rows = vec![Row::new("as many ports as there are").is("error", "exhausted").is("last", 4095)];
    for round in 0..16 {
        let port = EDGES.get(round).copied().unwrap_or_else(|| rng.u32(100..4095));
        let times = rng.u32(1..=9);
        rows.push(Row::new(format!("{times} events sent to port {port}")).is("port", port).is("came", times));
    }
    let port = rng.u32(100..4095);
    let times = rng.u32(2..=5);
    let what = format!("{times} events sent to port {port} while it was masked");
    rows.push(Row::new(what).is("port", port).is("masked", 0).is("unmasked", 1));
    rows.push(Row::new("events of ports that none was sent to").is("others", 0));
    rows
}

pub fn time(rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for _ in 0..3 {
        let span = rng.u64(5..=40);
        let row = Row::new(format!("Xen asked to wait for {span} ms, by your clock"));
        rows.push(row.is("early", 0).value("late", Value::AtMost(LATE)));
    }
    rows.push(Row::new("readings that went backward").is("backward", 0));
    rows
}
