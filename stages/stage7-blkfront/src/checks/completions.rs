//! Checks of exercise 7b: slots, ids, and rings whose responses come in any order.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use blkfront::blkif::Response;
use blkfront::completions::{Lie, Responses, TOO_MANY, Table, begin, collect, finish};
use console::bedrock::{List, Record, Reporter};
use core::cell::Cell;
use fastrand::Rng;

/// Runs the checks of this exercise that need no lies.
pub fn run(reporter: &Reporter) {
    reporter.check("7b.slots", slots);
    reporter.check("7b.matching", matching);
    reporter.check("7b.collect", collected);
    reporter.check("7b.race", race);
}

/// Slots and ids.
///
/// Draws: `size = rng.u32(3..=8)`; `last = rng.usize(..size)`, a slot whose turn is the highest number. Then, in each of 60 turns:
/// `rng.u8(..3)`; if that is 0 and something is under way, `rng.usize(..n)` of the `n` ids that are, oldest first, by `swap_remove`, is finished;
/// else a request begins whose item is the turn's number, from 0.
/// Records, for ten turns at a time: `turn`, the number of the last; `ids`, what began: the id in hexadecimal, or `full:` and the item that came
/// back; `free`, the list of free slots afterwards.
fn slots(rng: &mut Rng, record: &Record) {
    let size = rng.u32(3..=8);
    let mut table = Table::new(size);
    table.slots[rng.usize(..size as usize)].turn = u32::MAX;
    let (mut held, mut ids): (Vec<u64>, Vec<String>) = (Vec::new(), Vec::new());
    for turn in 0..60 {
        if rng.u8(..3) == 0 && !held.is_empty() {
            let id = held.swap_remove(rng.usize(..held.len()));
            finish(&mut table, id);
        } else {
            match begin(&mut table, turn) {
                Ok(id) => {
                    held.push(id);
                    ids.push(format!("{id:x}"));
                }
                Err(item) => ids.push(format!("full:{item}")),
            }
        }
        if turn % 10 == 9 {
            record.saw(format_args!("turn={turn} ids={} free={}", List(ids.iter()), List(table.free.iter())));
            ids.clear();
        }
    }
}

/// Ids that are right, and ids that aren't.
///
/// Draws: `turns = rng.u32(1..1000)`, from which the turns of all of the four slots count; three requests begin, with items 10, 11 and 12;
/// `away = rng.u32(4..)`. Then the ids of [`wrong_ids`], the right one of item 11, and that one again.
/// Records, for each: `case`; `item`, what was finished, or `none`; `free`.
fn matching(rng: &mut Rng, record: &Record) {
    let turns = rng.u32(1..1000);
    let mut table = Table::new(4);
    table.slots.iter_mut().for_each(|slot| slot.turn = turns);
    let ids: Vec<u64> = (10..13).filter_map(|item| begin(&mut table, item).ok()).collect();
    let away = rng.u32(4..);
    let [_, right, last] = ids[..] else { return record.saw(format_args!("begun={}", ids.len())) };
    for (case, id) in wrong_ids(right, last, turns, away).into_iter().chain([("right", right), ("again", right)]) {
        let item = finish(&mut table, id).map_or("none".into(), |item: u32| item.to_string());
        record.saw(format_args!("case={case} item={item} free={}", List(table.free.iter())));
    }
}

/// Ids that nothing has: of the turn after, of the turn before, of a slot that is free, of slots that don't exist.
fn wrong_ids(right: u64, last: u64, turns: u32, away: u32) -> [(&'static str, u64); 5] {
    let turn = 1 << 32;
    [
        ("later", right + turn),
        ("earlier", right - turn),
        ("free", u64::from(turns) << 32 | 3),
        ("behind", last + 2),
        ("away", u64::from(turns + 1) << 32 | u64::from(away)),
    ]
}

/// Responses in any order.
///
/// Draws: `count = rng.u32(4..=12)`; `start = u32::MAX - rng.u32(..4)`, where the ring's numbers are; the items 0 to `count` begin; their responses in
/// the order of `rng.shuffle`; for each, in that order, the status of number `rng.usize(..3)` of 0, -1, -2; `held = rng.usize(1..4)`, the number of
/// responses, from the end, that don't come.
/// Records: `done`, item `:` status; `taken`, how many responses were; `event`, the last one asked for; `under_way`.
fn collected(rng: &mut Rng, record: &Record) {
    let (mut table, mut ring) = begun(rng);
    let held = rng.usize(1..4);
    ring.responses.truncate(ring.responses.len() - held);
    ring.report(&mut table, record, "all");
}

/// Responses that come just before an event is asked for.
///
/// Draws: as for [`collected`], without `held`; `first = rng.usize(..3)` responses are there at first, and one more each time that an event is
/// asked for, before it is.
/// Records as there.
fn race(rng: &mut Rng, record: &Record) {
    let (mut table, mut ring) = begun(rng);
    let first = rng.usize(..3);
    ring.late = ring.responses.split_off(first);
    ring.late.reverse();
    ring.report(&mut table, record, "late");
}

/// A table in which requests are under way, and a ring with their responses.
pub fn begun(rng: &mut Rng) -> (Table<u32>, Scripted) {
    let count = rng.u32(4..=12);
    let start = u32::MAX - rng.u32(..4);
    let mut table = Table::new(16);
    let mut ids: Vec<u64> = (0..count).filter_map(|item| begin(&mut table, item).ok()).collect();
    rng.shuffle(&mut ids);
    let response = |id: u64| Response { id, status: [0, -1, -2][rng.usize(..3)] };
    let responses = ids.into_iter().map(response).collect();
    (table, Scripted { start, responses, late: Vec::new(), taken: 0, event: 0, shift: Vec::new(), looks: Cell::new(0) })
}

/// A backend that does as it is told.
pub struct Scripted {
    /// The number of the first response.
    pub start: u32,
    /// What is there.
    pub responses: Vec<Response>,
    /// What comes when an event is asked for, the last one first.
    pub late: Vec<Response>,
    /// How many responses were taken.
    pub taken: usize,
    /// The event that was asked for last.
    pub event: u32,
    /// What is added to the true index, look by look; the last one holds from there on.
    pub shift: Vec<u32>,
    /// How often the index was looked at.
    pub looks: Cell<usize>,
}

impl Scripted {
    /// Collects, and records what came of it.
    pub fn report(&mut self, table: &mut Table<u32>, record: &Record, case: &str) {
        let mut done = Vec::new();
        let result = collect(self, table, &mut |item, status| done.push(format!("{item}:{status}")));
        let result = match result {
            Ok(()) => "ok",
            Err(lie) if lie == TOO_MANY => "too_many",
            Err(Lie(_)) => "no_request",
        };
        let (done, taken, event) = (List(done.iter()), self.taken, self.event);
        let left = table.len();
        record.saw(format_args!("case={case} result={result} done={done}"));
        record.saw(format_args!("taken={taken} event={event} under_way={left}"));
    }
}

impl Responses for Scripted {
    fn produced(&self) -> u32 {
        let look = self.looks.replace(self.looks.get() + 1);
        let shift = self.shift.get(look).or(self.shift.last()).copied().unwrap_or(0);
        self.start.wrapping_add(self.responses.len() as u32).wrapping_add(shift)
    }

    fn consumed(&self) -> u32 {
        self.start.wrapping_add(self.taken as u32)
    }

    fn take(&mut self) -> Response {
        let nonsense = Response { id: u64::MAX, status: 0 };
        let response = self.responses.get(self.taken).copied().unwrap_or(nonsense);
        self.taken += 1;
        response
    }

    fn set_event(&mut self, number: u32) {
        self.responses.extend(self.late.pop());
        self.event = number;
    }
}
