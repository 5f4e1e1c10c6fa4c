//! Exercise 2b: what `page_tables::walk`, `map` and `unmap` have to do to tables.
//!
//! Here an address space is a plain map from page numbers to frames. Which tables there must be follows from the
//! pages: one of level n for each different beginning of a page's number.

use crate::check::expect::{Row, list};
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// The longest run.
const MOST: usize = 1200;
/// Flags as the processor has them: present, accessed, not executable; for writing also writable and dirty; and those
/// of an entry that leads to a table.
const READ: u64 = 1 | 1 << 5 | 1 << 63;
const WRITE: u64 = READ | 1 << 1 | 1 << 6;
const TABLE: u64 = 0x67;

/// Page numbers, with their frames. An address is 4096 times as much, but for the sign.
type Pages = BTreeMap<u64, u64>;

/// The page number that a run begins with.
fn draw_page(rng: &mut Rng, level1: u64) -> u64 {
    let level4 = if rng.bool() { rng.u64(272..512) } else { rng.u64(..256) };
    let (level3, level2) = (rng.u64(..512), rng.u64(..508));
    level4 << 27 | level3 << 18 | level2 << 9 | level1
}

fn draw_frames(rng: &mut Rng) -> Vec<u64> {
    let (first, step) = (rng.u64(0x10000..0x20000), rng.u64(1..=9));
    (0..MOST as u64).map(|number| first + number * step).collect()
}

fn draw_base(rng: &mut Rng) {
    rng.u64(0x40000..0x50000);
}

/// The tables of a level, 1 to 3, that these pages need.
fn tables(pages: impl IntoIterator<Item = u64>, level: u32) -> BTreeSet<u64> {
    pages.into_iter().map(|page| page >> (9 * level)).collect()
}

/// How many tables of all levels but the fourth.
fn count_tables(pages: impl Iterator<Item = u64> + Clone) -> usize {
    (1..=3).map(|level| tables(pages.clone(), level).len()).sum()
}

/// The pages around a run, as the guest shows them.
fn shown(pages: &Pages, run: u64) -> String {
    list(pages.iter().map(|(page, frame)| format!("{}:{frame}", *page as i64 - run as i64)))
}

pub fn walk(rng: &mut Rng) -> Vec<Row> {
    draw_base(rng);
    let mut pages = Pages::new();
    let drawn: Vec<u64> = (0..4)
        .map(|_| {
            let level1 = rng.u64(..512);
            let page = draw_page(rng, level1);
            pages.insert(page, rng.u64(0x10000..0x20000));
            page
        })
        .collect();
    let walked = |row: Row, page: u64| match pages.get(&page) {
        Some(frame) => row.is("frame", frame),
        None => {
            let there = |level: &u32| tables(pages.keys().copied(), *level).contains(&(page >> (9 * level)));
            row.is("missing", (1..=3).rev().find(|level| !there(level)).map_or(1, |level| level + 1))
        }
    };
    let mut rows = Vec::new();
    for page in drawn {
        rows.push(walked(Row::new(format!("the page number {page:#x}, which is mapped")), page));
        for level in (1..=4_u32).rev() {
            let other = page ^ 1 << (9 * (level - 1));
            let what = format!("a page whose number differs in the index of level {level}, {other:#x}");
            rows.push(walked(Row::new(what).is("level", level), other));
        }
    }
    rows
}

pub fn map(rng: &mut Rng) -> Vec<Row> {
    draw_base(rng);
    let before = rng.u64(1..=40);
    let run = draw_page(rng, 512 - before);
    let count = before + rng.u64(1..=60);
    let frames = draw_frames(rng);
    let flags = if rng.bool() { WRITE } else { READ };
    let mut pages = Pages::from([(run & !511, 0x9999)]);
    pages.extend((run..run + count).zip(frames));
    let tables = 1 + count_tables(pages.keys().copied());
    let what = format!("a run of {count} pages, {before} of them in the first table");
    vec![
        Row::new(&what).is("result", "ok"),
        Row::new(format!("{what}: all that is mapped")).is("pages", shown(&pages, run)),
        Row::new(what).is("all", flags).is("any", flags).is("tables", tables).is("table_flags", TABLE),
    ]
}

pub fn calls(rng: &mut Rng) -> Vec<Row> {
    draw_base(rng);
    let level1 = rng.u64(..512);
    let run = draw_page(rng, level1);
    let count = rng.usize(600..MOST) as u64;
    let pages = run..run + count;
    let (last_level, new) = (tables(pages.clone(), 1).len(), count_tables(pages));
    let row = |what: String| Row::new(what).is("result", "ok");
    let mapped = row(format!("{count} pages mapped, in {last_level} tables")).is("new", new);
    let unmapped = row(format!("the {count} pages unmapped")).is("new", 0).is("sets", 0);
    vec![mapped.is("sets", last_level + new).is("clears", 0), unmapped.is("clears", last_level)]
}

pub fn unmap(rng: &mut Rng) -> Vec<Row> {
    draw_base(rng);
    let before = rng.u64(5..=40);
    let run = draw_page(rng, 512 - before);
    let count = before + rng.u64(5..=60);
    let frames = draw_frames(rng);
    let (skip, keep) = (rng.u64(1..5), rng.u64(1..5));
    let mut pages: Pages = (run..run + count).zip(frames).collect();
    pages.retain(|page, _| *page < run + skip || *page >= run + count - keep);
    let left = shown(&pages, run);
    let part = format!("of {count} pages, all but the first {skip} and the last {keep} unmapped");
    let beyond = format!("{} pages unmapped, of which the last is not mapped", keep + 1);
    vec![
        Row::new(&part).is("result", "ok").is("pages", &left),
        Row::new(part).is("left_over", 0),
        Row::new(&beyond).is("result", format!("not_mapped:{count}")).is("pages", left),
        Row::new(beyond).is("left_over", 0),
    ]
}

pub fn occupied(rng: &mut Rng) -> Vec<Row> {
    draw_base(rng);
    let before = rng.u64(5..=40);
    let run = draw_page(rng, 512 - before);
    let count = before + rng.u64(5..=60);
    draw_frames(rng);
    let taken = rng.usize(1..count as usize) as u64;
    let what = format!("a run of {count} pages, of which number {taken} is mapped already");
    let row = Row::new(&what).is("result", format!("already_mapped:{taken}"));
    let pages = Pages::from([(run + taken, 0x9999)]);
    vec![row.is("new", 0).is("sets", 0).is("clears", 0), Row::new(what).is("pages", shown(&pages, run))]
}

pub fn undo(rng: &mut Rng) -> Vec<Row> {
    draw_base(rng);
    let before = rng.u64(5..=40);
    let run = draw_page(rng, 512 - before);
    let count = before + rng.u64(5..=60);
    draw_frames(rng);
    let bad = rng.usize(before as usize + 1..count as usize);
    draw_base(rng);
    let pages = Pages::from([(run + count, 0x9999)]);
    let xen = Row::new(format!("a run of {count} pages, of which Xen refuses number {bad}")).is("case", "xen");
    let memory = Row::new(format!("a run of {count} pages, with memory for the table of the first {before} only"));
    let memory = memory.is("case", "memory").is("result", "out_of_memory");
    vec![xen.is("result", "refused:1").is("pages", shown(&pages, run)), memory.is("pages", "-")]
}
