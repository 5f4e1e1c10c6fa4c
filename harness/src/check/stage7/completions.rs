//! Exercise 7b: slots, ids, and what becomes of responses.

use crate::check::expect::{Row, list};
use fastrand::Rng;

pub fn slots(rng: &mut Rng) -> Vec<Row> {
    let size = rng.u32(3..=8);
    let mut turns = vec![0_u32; size as usize];
    turns[rng.usize(..size as usize)] = u32::MAX;
    let mut free: Vec<u32> = (0..size).rev().collect();
    let (mut held, mut ids, mut rows): (Vec<u32>, Vec<String>, Vec<Row>) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..60 {
        if rng.u8(..3) == 0 && !held.is_empty() {
            free.push(held.swap_remove(rng.usize(..held.len())));
        } else if let Some(slot) = free.pop() {
            let turns = &mut turns[slot as usize];
            *turns = turns.wrapping_add(1);
            held.push(slot);
            ids.push(format!("{:x}", u64::from(*turns) << 32 | u64::from(slot)));
        } else {
            ids.push(format!("full:{turn}"));
        }
        if turn % 10 == 9 {
            let what = format!("a table of {size} slots, up to turn {turn}");
            let row = Row::new(what).is("turn", turn).is("ids", list(std::mem::take(&mut ids)));
            rows.push(row.is("free", list(&free)));
        }
    }
    rows
}

pub fn matching(rng: &mut Rng) -> Vec<Row> {
    let _ = (rng.u32(1..1000), rng.u32(4..));
    let row = |what: &str, case: &str, got: &str, free: &str| {
        Row::new(what).is("case", case).is("item", got).is("free", free)
    };
    vec![
        row("an id of the slot's next turn", "later", "none", "3"),
        row("an id of the slot's last turn", "earlier", "none", "3"),
        row("the id of a slot that is free", "free", "none", "3"),
        row("the id of the slot behind the last", "behind", "none", "3"),
        row("the id of a slot far away", "away", "none", "3"),
        row("an id that is under way", "right", "11", "3,1"),
        row("the same id again", "again", "none", "3,1"),
    ]
}

/// What a ring has, as the guest draws it: where its numbers start, and in which order the items are answered, with what status.
struct Begun {
    start: u32,
    answers: Vec<(u32, i16)>,
}

impl Begun {
    fn draw(rng: &mut Rng) -> Self {
        let count = rng.u32(4..=12);
        let start = u32::MAX - rng.u32(..4);
        let mut items: Vec<u32> = (0..count).collect();
        rng.shuffle(&mut items);
        let answers = items.into_iter().map(|item| (item, [0, -1, -2][rng.usize(..3)])).collect();
        Self { start, answers }
    }

    /// The two records of a collection that has finished so many, and taken so many more.
    fn rows(&self, what: &str, case: &str, result: &str, finished: usize, more: usize, event: bool) -> [Row; 2] {
        let consumed = self.start.wrapping_add((finished + more) as u32);
        let done = self.answers[..finished].iter().map(|(item, status)| format!("{item}:{status}"));
        let event = if event { consumed.wrapping_add(1) } else { 0 };
        [
            Row::new(what).is("case", case).is("result", result).is("done", list(done)),
            Row::new(what)
                .is("taken", finished + more)
                .is("event", event)
                .is("under_way", self.answers.len() - finished),
        ]
    }
}

pub fn collected(rng: &mut Rng) -> Vec<Row> {
    let begun = Begun::draw(rng);
    let there = begun.answers.len() - rng.usize(1..4);
    let what = format!("{there} of the responses, from number {} on", begun.start);
    begun.rows(&what, "all", "ok", there, 0, true).into()
}

pub fn race(rng: &mut Rng) -> Vec<Row> {
    let begun = Begun::draw(rng);
    let first = rng.usize(..3);
    let what = format!("{first} of the responses, and one more each time that an event is asked for");
    begun.rows(&what, "late", "ok", begun.answers.len(), 0, true).into()
}

pub fn lies(rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for case in ["many", "far", "backwards", "nobody", "twice", "moving"] {
        let begun = Begun::draw(rng);
        let by = rng.u32(1..1000);
        let count = begun.answers.len();
        let at = rng.usize(..count);
        rows.extend(match case {
            "many" => begun.rows(&format!("{by} responses too many"), case, "too_many", 0, 0, false),
            "far" => begun.rows("an index far away", case, "too_many", 0, 0, false),
            "backwards" => begun.rows("an index that goes back", case, "too_many", 0, 0, false),
            "nobody" => begun.rows("a response to nobody's request", case, "no_request", at, 1, false),
            // The second of the two is the one that nothing belongs to any more.
            "twice" => {
                let second = at.max(1);
                let mut begun = begun;
                begun.answers[0].0 = begun.answers[usize::from(at == 0)].0;
                begun.rows("a response twice", case, "no_request", second, 1, false)
            }
            _ => begun.rows("an index that moves", case, "too_many", count, 0, true),
        });
    }
    rows
}
