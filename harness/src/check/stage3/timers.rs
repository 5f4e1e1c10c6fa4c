//! Exercise 3c: in which order `timer_heap`'s functions have to hand out entries, and at what cost.

use crate::check::expect::{Row, Value, digest, list};
use fastrand::Rng;
use std::collections::BTreeSet;

/// A deadline, and how many were inserted before.
type Entry = (u64, u64);

fn inserted(deadlines: impl IntoIterator<Item = u64>) -> BTreeSet<Entry> {
    (0..).zip(deadlines).map(|(sequence, deadline)| (deadline, sequence)).collect()
}

/// The entries as the guest shows them.
fn order_of(entries: &BTreeSet<Entry>) -> String {
    list(entries.iter().map(|(deadline, sequence)| format!("{deadline}:{sequence}")))
}

fn digest_of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let numbers = entries.into_iter().flat_map(|(deadline, sequence)| [*deadline, *sequence]);
    format!("{:016x}", digest(numbers))
}

pub fn order(rng: &mut Rng) -> Vec<Row> {
    let count = rng.usize(20..=60);
    let entries = inserted((0..count).map(|_| rng.u64(1..=20)));
    let what = format!("{count} entries, of which many are due at the same time");
    vec![Row::new(what).is("broken", 0).is("order", order_of(&entries))]
}

pub fn due() -> Vec<Row> {
    let row = |what: &str, taken: u32| Row::new(what).is("taken", taken);
    vec![
        row("a nanosecond before the first of eight", 0),
        row("when the first is due", 1),
        row("a nanosecond before the fourth", 2),
        row("when the fourth is due", 1),
        row("when the last is due", 4),
        row("when all are out", 0),
    ]
}

pub fn remove(rng: &mut Rng) -> Vec<Row> {
    let count = rng.usize(40..=60);
    let mut entries = inserted((0..count).map(|_| rng.u64(1..=1000)));
    let mut slots: Vec<u32> = (0..60).collect();
    rng.shuffle(&mut slots[..count]);
    let removed: BTreeSet<u64> = slots[..20].iter().map(|slot| u64::from(*slot)).collect();
    entries.retain(|(_, sequence)| !removed.contains(sequence));
    let row = |what: &str, case: &str, entries: &BTreeSet<Entry>| {
        let row = Row::new(what).is("case", case).is("wrong", 0).is("broken", 0);
        row.is("order", order_of(entries))
    };
    let some = row(&format!("20 of {count} entries removed"), "some", &entries);

    let low = rng.u64(1..100);
    let high = rng.u64(1000..2000);
    let mut entries = inserted([low, high, low + 1, high + 1, high + 2, low + 2, low + 3]);
    entries.retain(|(_, sequence)| *sequence != 3);
    let rise = row("an entry removed whose successor belongs further up", "rise", &entries);
    let none = Row::new("a place behind the last").is("case", "none").is("some", 0).is("count", 6);
    vec![some, rise, none]
}

pub fn cost() -> Vec<Row> {
    // 200 entries have 8 levels. A look at each of them would be 200 looks.
    let row = |what: &str, case: &str| {
        let row = Row::new(what).is("case", case);
        let row = row.value("insert_swaps", Value::AtMost(8)).value("insert_looks", Value::AtMost(60));
        row.value("pop_swaps", Value::AtMost(10)).value("pop_looks", Value::AtMost(80))
    };
    vec![row("each entry due before all others", "falling"), row("each entry due behind all others", "rising")]
}

pub fn mixed(rng: &mut Rng) -> Vec<Row> {
    let mut entries: BTreeSet<Entry> = BTreeSet::new();
    let mut out = Vec::new();
    let (mut now, mut added) = (0, 0);
    for _ in 0..300 {
        match rng.u8(..8) {
            what if what < 4 || entries.is_empty() => {
                entries.insert((now + rng.u64(..100), added));
                added += 1;
            }
            4 => {
                let mut by_slot: Vec<Entry> = entries.iter().copied().collect();
                by_slot.sort_by_key(|(_, sequence)| *sequence);
                let chosen = by_slot[rng.usize(..by_slot.len())];
                entries.remove(&chosen);
                out.push(chosen);
            }
            _ => {
                now += rng.u64(..50);
                let later = entries.split_off(&(now + 1, 0));
                out.extend(std::mem::replace(&mut entries, later));
            }
        }
    }
    vec![Row::new("300 insertions, removals and due times").is("count", entries.len()).is("digest", digest_of(&out))]
}
