//! Exercise 7c: what a right cache asks its device for.

use crate::check::expect::{Row, list};
use fastrand::Rng;

/// A cache that keeps one byte for each block, and its device.
struct Model {
    /// Block, byte, dirty, when used.
    slots: Vec<Option<(u64, u8, bool, u64)>>,
    used: Vec<u64>,
    clock: u64,
    unflushed: bool,
    calls: Vec<String>,
    fails_after: Option<u8>,
}

impl Model {
    fn new(slots: usize) -> Self {
        let (slots, used) = (vec![None; slots], vec![0; slots]);
        Self { slots, used, clock: 0, unflushed: false, calls: Vec::new(), fails_after: None }
    }

    fn call(&mut self, call: String) -> Result<(), usize> {
        let fails = self.fails_after == Some(0);
        self.fails_after = self.fails_after.and_then(|left| left.checked_sub(1));
        let number = self.calls.len();
        self.calls.push(if fails { call + "!" } else { call });
        if fails { Err(number) } else { Ok(()) }
    }

    fn find(&self, block: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.is_some_and(|slot| slot.0 == block))
    }

    fn victim(&self) -> usize {
        let empty = self.slots.iter().position(Option::is_none);
        let oldest = || (0..self.slots.len()).min_by_key(|index| self.used[*index]);
        empty.or_else(oldest).unwrap_or(0)
    }

    fn load(&mut self, block: u64, whole: bool) -> Result<usize, usize> {
        let index = match self.find(block) {
            Some(index) => index,
            None => {
                let index = self.victim();
                if let Some((old, byte, true, _)) = self.slots[index] {
                    self.call(format!("w{old}:{byte}"))?;
                    self.unflushed = true;
                }
                self.slots[index] = None;
                if !whole {
                    self.call(format!("r{block}"))?;
                }
                self.slots[index] = Some((block, 100_u8.wrapping_add(block as u8), false, 0));
                index
            }
        };
        self.clock += 1;
        self.used[index] = self.clock;
        Ok(index)
    }

    fn change(&mut self, index: usize, byte: u8) {
        if let Some(slot) = &mut self.slots[index] {
            (slot.1, slot.2) = (byte, true);
        }
    }

    fn flush(&mut self) -> Result<(), usize> {
        let mut order: Vec<usize> =
            (0..self.slots.len()).filter(|index| self.slots[*index].is_some_and(|slot| slot.2)).collect();
        order.sort_by_key(|index| self.slots[*index].map(|slot| slot.0));
        let mut first = Ok(());
        for index in order {
            let Some((block, byte, ..)) = self.slots[index] else { continue };
            match self.call(format!("w{block}:{byte}")) {
                Ok(()) => {
                    self.slots[index] = Some((block, byte, false, 0));
                    self.unflushed = true;
                }
                Err(error) => first = first.and(Err(error)),
            }
        }
        first?;
        if self.unflushed {
            self.call("f".into())?;
            self.unflushed = false;
        }
        Ok(())
    }

    fn taken(&mut self) -> String {
        list(std::mem::take(&mut self.calls))
    }

    fn present(&self) -> String {
        list(self.slots.iter().map(|slot| slot.map_or("x".to_owned(), |slot| slot.0.to_string())))
    }

    fn dirty(&self) -> usize {
        self.slots.iter().flatten().filter(|slot| slot.2).count()
    }
}

pub fn hits(rng: &mut Rng) -> Vec<Row> {
    let mut model = Model::new(8);
    let (mut slots, mut last, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..40_u8 {
        let block = rng.u64(..8);
        let whole = rng.u8(..4) == 0;
        if let Ok(index) = model.load(block, whole) {
            if whole {
                model.change(index, turn);
            }
            slots.push(index);
            last.extend(model.slots[index].map(|slot| slot.1));
        }
        if turn % 10 == 9 {
            let row = Row::new(format!("up to turn {turn}")).is("turn", turn).is("calls", model.taken());
            let slots = list(std::mem::take(&mut slots));
            rows.push(row.is("slots", slots).is("bytes", list(std::mem::take(&mut last))));
        }
    }
    rows
}

pub fn victims(rng: &mut Rng) -> Vec<Row> {
    let mut model = Model::new(4);
    let mut rows = Vec::new();
    for turn in 0..60_u8 {
        let block = rng.u64(..10);
        let dirty = rng.bool();
        if let Ok(index) = model.load(block, false)
            && dirty
        {
            model.change(index, turn);
        }
        if turn % 10 == 9 {
            let row = Row::new(format!("up to turn {turn}")).is("turn", turn).is("calls", model.taken());
            let row = row.is("present", model.present()).is("victim", model.victim());
            rows.push(row.is("found", list(model.find(block))));
        }
    }
    rows
}

pub fn flushed(rng: &mut Rng) -> Vec<Row> {
    let mut model = Model::new(6);
    let mut rows = Vec::new();
    let mut flush = |model: &mut Model, what: &str| {
        let done = model.flush().is_ok();
        let row = Row::new(what).is("flush", rows.len()).is("done", done).is("calls", model.taken());
        rows.push(row.is("dirty", model.dirty()));
    };
    for round in 0..5 {
        for _ in 0..rng.usize(..8) {
            let block = rng.u64(..1000);
            let dirty = rng.u8(..3) != 0;
            if let Ok(index) = model.load(block, false)
                && dirty
            {
                model.change(index, round);
            }
        }
        flush(&mut model, "a flush, with the calls before it");
        flush(&mut model, "another flush at once");
    }
    for block in (2000..2006).chain(3000..3006) {
        if let Ok(index) = model.load(block, false)
            && block < 3000
        {
            model.change(index, 0);
        }
    }
    flush(&mut model, "a flush after everything dirty had to make room");
    rows
}

pub fn failures(rng: &mut Rng) -> Vec<Row> {
    let mut model = Model::new(4);
    let turn = |turn: u8| {
        let flushes = rng.u8(..4) == 0;
        let block = rng.u64(..8);
        let dirty = rng.u8(..3) != 0;
        let fails = rng.bool();
        let after = rng.u8(..3);
        model.fails_after = fails.then_some(after);
        let result = if flushes {
            model.flush()
        } else {
            model.load(block, false).map(|index| {
                if dirty {
                    model.change(index, turn);
                }
            })
        };
        let got = result.map_or_else(|number| number.to_string(), |()| "ok".to_owned());
        let what = if flushes { "a flush".to_owned() } else { format!("block {block}") };
        let failing = if fails { format!("; call {after} fails") } else { String::new() };
        let row = Row::new(format!("turn {turn}, {what}{failing}")).is("turn", turn).is("result", got);
        let row = row.is("calls", model.taken()).is("present", model.present()).is("dirty", model.dirty());
        row.is("unflushed", model.unflushed)
    };
    (0..60).map(turn).collect()
}
