//! Exercises 3a and 3b under Xen: how many events have to come, and when Xen has to wake the guest.

use crate::check::expect::{Row, Value};
use fastrand::Rng;

const EDGES: [u32; 6] = [31, 32, 63, 64, 1023, 4095];
/// How late a wake-up may be on a machine that has other things to do, in milliseconds.
const LATE: u64 = 3000;
/// By how much less than Xen the guest may believe has passed: the processor whose timer ends the wait needn't be the one
/// that the guest runs on, and on a busy machine emulated ones were seen to be 110 ms apart. It is less than half of any
/// span, and Xen corrects a clock once a second, so of three spans in a row one at least shows a clock at half speed.
const EARLY: u64 = 150;

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
        let span = rng.u64(400..=500);
        let row = Row::new(format!("milliseconds that passed when Xen was asked to wait for {span}, by your clock"));
        rows.push(row.value("passed", Value::Between(span - EARLY, span + LATE)));
    }
    rows.push(Row::new("readings that went backward").is("backward", 0));
    rows
}
