//! Exercise 5a: what entries, references and dom0 have to see.

use crate::check::expect::{Row, Value, hex};
use fastrand::Rng;

const PERMIT_ACCESS: u16 = 1;
const READ_ONLY: u16 = 4;
const READING: u16 = 8;
const WRITING: u16 = 16;

pub fn grant(rng: &mut Rng) -> Vec<Row> {
    let domain = rng.u16(..0x7ff0);
    let frame = rng.u32(..);
    let filled = |what: &str, case: &str, frame: u32, flags: u16| {
        let row = Row::new(what).is("case", case).is("done", true).is("frame", frame).is("domain", domain);
        row.is("flags", flags).value("calls", Value::OneOf(vec!["fdp".into(), "dfp".into()]))
    };
    let refused = |what: &str, case: &str| {
        let row = Row::new(what).is("case", case).is("done", false).is("frame", 0xeeee_eeee_u32);
        row.is("domain", 0xdddd).is("flags", 0).is("calls", "-")
    };
    vec![
        filled("a frame granted for reading and writing", "write", frame, PERMIT_ACCESS),
        filled("a frame granted for reading", "read", frame, PERMIT_ACCESS | READ_ONLY),
        filled("the highest frame that fits", "last", u32::MAX, PERMIT_ACCESS | READ_ONLY),
        refused("the first frame that doesn't fit", "first"),
        refused("a frame far too high", "high"),
    ]
}

pub fn end(rng: &mut Rng) -> Vec<Row> {
    let what = if rng.bool() { "a grant for reading that nobody uses" } else { "a grant that nobody uses" };
    let row = Row::new(what).is("case", "end").is("done", true).is("frame", 0xeeee_eeee_u32);
    vec![row.is("domain", 0xdddd).is("flags", 0).is("calls", "lx")]
}

pub fn busy(rng: &mut Rng) -> Vec<Row> {
    let granted = PERMIT_ACCESS;
    let still = granted | READ_ONLY | READING;
    // Whoever looks anew instead of taking what the exchange found does right, too.
    let mut cases = [
        ("reading", "mapped for reading", false, granted | READING, &["l"][..]),
        ("writing", "mapped for writing", false, granted | WRITING, &["l"]),
        ("both", "mapped twice", false, granted | READING | WRITING, &["l"]),
        ("mapping", "mapped between look and exchange", false, granted | WRITING, &["lx", "lxl"]),
        ("remapping", "mapped between the second look and exchange", false, still, &["lxx", "lxlxl"]),
        ("flapping", "flags that change three times", true, 0, &["lxxxx", "lxlxlxlx"]),
    ];
    rng.shuffle(&mut cases);
    let row = |(case, what, done, flags, calls): (&str, &str, bool, u16, &[&str])| {
        let row = Row::new(what).is("case", case).is("done", done).is("flags", flags);
        row.value("calls", Value::OneOf(calls.iter().map(|calls| (*calls).to_owned()).collect()))
    };
    cases.into_iter().map(row).collect()
}

pub fn references(rng: &mut Rng) -> Vec<Row> {
    let mut sizes = vec![rng.u32(3..=10), rng.u32(10..=20)];
    let (mut free, mut size, mut grown): (Vec<u32>, u32, u32) = (Vec::new(), 0, 0);
    let mut held: Vec<u32> = Vec::new();
    let mut take = |free: &mut Vec<u32>, held: &mut Vec<u32>| {
        if free.is_empty() {
            let by = sizes.pop()?;
            free.extend((size..size + by).rev().filter(|reference| *reference >= 8));
            size += by;
            grown += 1;
        }
        let reference = free.pop()?;
        held.push(reference);
        Some(reference)
    };
    let shown = |taken: Option<u32>| taken.map_or("-".to_owned(), |reference| reference.to_string());
    let (mut rows, mut taken) = (Vec::new(), Vec::new());
    for turn in 1..=60 {
        if rng.u8(..3) == 0 {
            if !held.is_empty() {
                free.push(held.swap_remove(rng.usize(..held.len())));
            }
        } else {
            taken.push(shown(take(&mut free, &mut held)));
        }
        if turn % 10 == 0 {
            let row = Row::new(format!("the references taken up to turn {turn}")).is("turn", turn);
            rows.push(row.is("taken", taken.join(",")));
            taken.clear();
        }
    }
    loop {
        let reference = take(&mut free, &mut held);
        taken.push(shown(reference));
        if reference.is_none() {
            break;
        }
    }
    let row = Row::new("the references taken until there are none").is("rest", taken.join(","));
    rows.push(row.is("outside", 0).is("grown", grown));
    rows
}

pub fn dom0(rng: &mut Rng) -> Vec<Row> {
    let ours: Vec<u8> = (0..16).map(|_| rng.u8(..)).collect();
    let theirs: Vec<u8> = (0..16).map(|_| rng.u8(..)).collect();
    let row = Row::new;
    vec![
        row("what dom0 reads in the page").is("ask", "grant-map").is("dom0", hex(&ours)),
        row("dom0's writing to the page").is("ask", "grant-write").is("dom0", "done"),
        row("the page, which dom0 has written to and still has mapped").is("seen", hex(&theirs)).is("busy", true),
        row("dom0's unmapping").is("ask", "grant-unmap").is("dom0", "done"),
        row("the grant, once it is not mapped").is("ended", true),
        row("dom0's mapping the revoked page").is("ask", "grant-map").is("dom0", "refused"),
    ]
}
