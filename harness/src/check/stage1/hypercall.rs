//! Exercise 1c: what hypercalls have to return, and what has to survive them.

use crate::check::expect::{Facts, Row, Value, hex};
use fastrand::Rng;

/// What `done` holds before Xen writes to it.
const UNTOUCHED: u32 = 0xdddd;

fn packed_version(facts: &Facts) -> u64 {
    let mut parts = facts.xen_version.split('.').map(|part| part.parse::<u64>().unwrap_or(0));
    parts.next().unwrap_or(0) << 16 | parts.next().unwrap_or(0)
}

pub fn version(facts: &Facts) -> Vec<Row> {
    vec![
        Row::new("Xen's version, as `xl info` tells it").is("version", packed_version(facts)),
        Row::new("Xen's extra version").is("extra", 0).is("extraversion", hex(facts.xen_extra.as_bytes())),
        Row::new("what Xen can run").is("result", 0).is("capabilities", hex(facts.xen_capabilities.as_bytes())),
    ]
}

pub fn arguments(rng: &mut Rng) -> Vec<Row> {
    let flushes = rng.u64(1..=8);
    let domain = rng.u16(0x4000..0x7000);
    let row = |what: String, case: &str| Row::new(what).is("case", case);
    let left_alone = Value::OneOf(vec![UNTOUCHED.to_string(), "0".to_owned()]);
    vec![
        row(format!("{flushes} operations, all right"), "all").is("result", 0).is("done", flushes),
        row(format!("{flushes} right operations and a wrong one"), "stop")
            .value("result", Value::Negative)
            .is("done", flushes),
        row(format!("domain {domain}, which does not exist"), "domain").is("result", -3).value("done", left_alone),
    ]
}

pub fn errors(facts: &Facts) -> Vec<Row> {
    let capabilities = hex(facts.xen_capabilities.as_bytes());
    let row = |what: &str, case: &str, result: i64| Row::new(what).is("case", case).is("result", result);
    vec![
        row("a hypercall that does not exist (ENOSYS)", "unknown", -38),
        row("a pointer to memory that is not mapped (EFAULT)", "unmapped", -14),
        row("an event to a closed port (EINVAL)", "closed", -22),
        row("a pointer to memory that is mapped", "mapped", 0).is("capabilities", capabilities),
    ]
}

pub fn events() -> Vec<Row> {
    let row = |what: &str, case: &str| Row::new(what).is("case", case).is("result", 0);
    vec![
        row("a new event channel", "allocate").value("port", Value::NumberOtherThan(0)),
        row("its status, once allocated (unbound)", "open").is("status", 1),
        row("closing it", "close"),
        row("its status, once closed", "closed").is("status", 0),
    ]
}

pub fn registers(rng: &mut Rng, facts: &Facts) -> Vec<Row> {
    const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let values: Vec<u64> = NAMES.iter().map(|_| rng.u64(..)).collect();
    let flushes = rng.u64(1..=8);
    let row = |case: &str, result: u64, done: u64| {
        let row = Row::new("values in registers around a hypercall");
        let row = row.is("case", case).is("result", result).is("done", done);
        NAMES.iter().zip(&values).fold(row, |row, (name, value)| row.is(name, value))
    };
    vec![row("version", packed_version(facts), 0), row("flush", 0, flushes)]
}

pub fn memory(rng: &mut Rng) -> Vec<Row> {
    let flushes = rng.u64(1..=8);
    vec![Row::new("a variable that Xen writes during a hypercall").is("result", 0).is("done", flushes)]
}

pub fn decode(rng: &mut Rng) -> Vec<Row> {
    let error = rng.i64(1..=4095);
    let value = rng.i64(0..i64::MAX);
    let large = rng.i64(i64::MIN..-4096);
    let good = |raw: i64| Row::new(format!("the result {raw}")).is("raw", raw).is("value", raw as u64);
    let bad = |number: i64| Row::new(format!("the result -{number}")).is("raw", -number).is("error", number);
    let rows = [good(0), good(1), good(value), good(i64::MAX), bad(1), bad(error), bad(4095)];
    rows.into_iter().chain([good(-4096), good(large), good(i64::MIN)]).collect()
}
