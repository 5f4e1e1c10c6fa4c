//! Checks of exercise 3c: `timer_heap::insert`, `remove` and `pop_due` on a heap that counts.

use core::cell::Cell;
use core::fmt;

use console::bedrock::{Digest, List, Record, Reporter};
use events::timer_heap::{self, Entry, TimerHeap};
use fastrand::Rng;

/// The most entries of any check.
const MOST: usize = 256;

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("3c.order", order);
    reporter.check("3c.due", due);
    reporter.check("3c.remove", remove);
    reporter.check("3c.cost", cost);
    reporter.check("3c.mixed", mixed);
}

/// Entries, of which many are due at the same time, come out in their order.
///
/// Draws: `count = rng.usize(20..=60)`; `count` times `rng.u64(1..=20)`, the deadlines. Records `broken`, see
/// [`Heap::broken`], and `order`: what comes out, as deadline, colon and sequence number.
fn order(rng: &mut Rng, record: &Record) {
    let mut heap = Heap::new();
    for _ in 0..rng.usize(20..=60) {
        heap.add(rng.u64(1..=20));
    }
    let broken = heap.broken();
    record.saw(format_args!("broken={broken} order={}", Drained::new(&mut heap)));
}

/// Nothing comes out before its time.
///
/// Draws: `first = rng.u64(100..1 << 40)`; `gap = rng.u64(2..1000)`; then `rng.shuffle` of the numbers 0 to 7 in an array of
/// `u64`. Inserts deadlines `first + gap * number`. Records `taken`, how many come out, at `first - 1`, at `first`, at
/// `first + 3 * gap - 1`, at `first + 3 * gap`, and at `first + 7 * gap`; then at u64::MAX, when none is left.
fn due(rng: &mut Rng, record: &Record) {
    let mut heap = Heap::new();
    let first = rng.u64(100..1 << 40);
    let gap = rng.u64(2..1000);
    let mut numbers: [u64; 8] = core::array::from_fn(|number| number as u64);
    rng.shuffle(&mut numbers);
    numbers.iter().for_each(|number| heap.add(first + gap * number));
    for now in [first - 1, first, first + 3 * gap - 1, first + 3 * gap, first + 7 * gap, u64::MAX] {
        let taken = (0..MOST).take_while(|_| timer_heap::pop_due(&mut heap, now).is_some()).count();
        record.saw(format_args!("taken={taken}"));
    }
}

/// Entries leave from the midst of the queue.
///
/// `case=some`. Draws: `count = rng.usize(40..=60)`; `count` times `rng.u64(1..=1000)`, the deadlines; then
/// `rng.shuffle` of the slots, in an array of 60 `u32` of which the first `count` take part. The first 20 of them are
/// removed. Records `wrong`, how often another entry than that came out; `broken` after each, added up; and
/// the `order` of the rest.
/// `case=rise`. Draws: `low = rng.u64(1..100)`; `high = rng.u64(1000..2000)`. Inserts deadlines low, high, low + 1, high + 1,
/// high + 2, low + 2, low + 3 and removes the fourth. Records the same.
/// `case=none`: removes at the place behind the last of that. Records `some`: 1 if an entry came out; `count`.
fn remove(rng: &mut Rng, record: &Record) {
    let mut heap = Heap::new();
    let count = rng.usize(40..=60);
    for _ in 0..count {
        heap.add(rng.u64(1..=1000));
    }
    let mut slots: [u32; 60] = core::array::from_fn(|slot| slot as u32);
    rng.shuffle(&mut slots[..count]);
    let (mut wrong, mut broken) = (0, 0);
    for slot in &slots[..20] {
        wrong += u32::from(!heap.take_out(*slot));
        broken += heap.broken();
    }
    record.saw(format_args!("case=some wrong={wrong} broken={broken} order={}", Drained::new(&mut heap)));

    let low = rng.u64(1..100);
    let high = rng.u64(1000..2000);
    let mut heap = Heap::new();
    [low, high, low + 1, high + 1, high + 2, low + 2, low + 3].iter().for_each(|deadline| heap.add(*deadline));
    let wrong = u32::from(!heap.take_out(3));
    let broken = heap.broken();
    let behind = heap.length;
    let some = u32::from(timer_heap::remove(&mut heap, behind).is_some());
    let rest = Drained::new(&mut heap);
    record.saw(format_args!("case=rise wrong={wrong} broken={broken} order={rest}"));
    record.saw(format_args!("case=none some={some} count={}", rest.count));
}

/// The work for one entry among many, in both of the worst orders.
///
/// Draws nothing. Inserts 200 entries, each due before all others (`case=falling`), then as many of which each is due
/// behind all others (`case=rising`); then takes them out. Records the most of a single call: `insert_swaps`, `insert_looks`,
/// `pop_swaps`, `pop_looks`, where a look is a call of `get`.
fn cost(_: &mut Rng, record: &Record) {
    for case in ["falling", "rising"] {
        let mut heap = Heap::new();
        let (mut insert, mut pop) = ((0, 0), (0, 0));
        for number in 0..200 {
            heap.start_counting();
            heap.add(if case == "falling" { 1000 - number } else { number });
            insert = heap.more_than(insert);
        }
        for _ in 0..200 {
            heap.start_counting();
            let _ = timer_heap::pop_due(&mut heap, u64::MAX);
            pop = heap.more_than(pop);
        }
        record.saw(format_args!(
            "case={case} insert_swaps={} insert_looks={} pop_swaps={} pop_looks={}",
            insert.0, insert.1, pop.0, pop.1
        ));
    }
}

/// Many entries come and go.
///
/// Draws 300 times `rng.u8(..8)`, what to do. Below 4, and if the heap is empty: insert, with deadline `now +
/// rng.u64(..100)`. 4: remove the entry of the slot at `rng.usize(..count)`, of all slots in the heap in rising order. Above: `now`,
/// which begins with 0, grows by `rng.u64(..50)`, and all that is due comes out. Records `count`, how many are left,
/// and `digest` of all that came out, deadline and sequence of each.
fn mixed(rng: &mut Rng, record: &Record) {
    let mut heap = Heap::new();
    let mut digest = Digest::default();
    let mut now = 0;
    let mut note = |entry: Entry| {
        digest.add(entry.deadline);
        digest.add(entry.sequence);
    };
    for _ in 0..300 {
        match rng.u8(..8) {
            what if what < 4 || heap.length == 0 => heap.add(now + rng.u64(..100)),
            4 => {
                let slot = heap.slot(rng.usize(..heap.length));
                let place = heap.place_of(slot);
                timer_heap::remove(&mut heap, place).into_iter().for_each(&mut note);
            }
            _ => {
                now += rng.u64(..50);
                for _ in 0..MOST {
                    let Some(entry) = timer_heap::pop_due(&mut heap, now) else { break };
                    note(entry);
                }
            }
        }
    }
    record.saw(format_args!("count={} digest={:016x}", heap.length, digest.value()));
}

/// What came out of a heap, in its order.
struct Drained {
    entries: [Entry; MOST],
    count: usize,
}

impl Drained {
    /// Takes everything out.
    fn new(heap: &mut Heap) -> Self {
        let mut drained = Self { entries: [Entry { deadline: 0, sequence: 0, slot: 0 }; MOST], count: 0 };
        while drained.count < MOST
            && let Some(entry) = timer_heap::pop_due(heap, u64::MAX)
        {
            drained.entries[drained.count] = entry;
            drained.count += 1;
        }
        drained
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries[..self.count].iter();
        write!(f, "{}", List(entries.map(|entry| DeadlineFirst(*entry))))
    }
}

/// An entry as `deadline:sequence`.
struct DeadlineFirst(Entry);

impl fmt::Display for DeadlineFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.deadline, self.0.sequence)
    }
}

/// A heap with room for [`MOST`] entries, which counts what is done to it.
struct Heap {
    entries: [Entry; MOST],
    length: usize,
    added: u32,
    swaps: u32,
    looks: Cell<u32>,
}

impl Heap {
    fn new() -> Self {
        let entries = [Entry { deadline: 0, sequence: 0, slot: 0 }; MOST];
        Self { entries, length: 0, added: 0, swaps: 0, looks: Cell::new(0) }
    }

    /// Inserts an entry. Its sequence number and its slot are how many were inserted before.
    fn add(&mut self, deadline: u64) {
        let entry = Entry { deadline, sequence: self.added.into(), slot: self.added };
        self.added += 1;
        timer_heap::insert(self, entry);
    }

    /// Removes the entry of this slot. Returns whether it was that which came out.
    fn take_out(&mut self, slot: u32) -> bool {
        let place = self.place_of(slot);
        timer_heap::remove(self, place).is_some_and(|entry| entry.slot == slot)
    }

    fn in_use(&self) -> &[Entry] {
        &self.entries[..self.length]
    }

    /// Where the entry of this slot is; behind the last if it isn't there.
    fn place_of(&self, slot: u32) -> usize {
        self.in_use().iter().position(|entry| entry.slot == slot).unwrap_or(self.length)
    }

    /// The slot that has `rank` smaller ones in the heap.
    fn slot(&self, rank: usize) -> u32 {
        let smaller = |slot: u32| self.in_use().iter().filter(|entry| entry.slot < slot).count();
        self.in_use().iter().map(|entry| entry.slot).find(|slot| smaller(*slot) == rank).unwrap_or(u32::MAX)
    }

    /// How many entries are earlier than the one before them.
    fn broken(&self) -> u32 {
        (1..self.length).map(|place| u32::from(self.entries[place] < self.entries[(place - 1) / 2])).sum()
    }

    fn start_counting(&mut self) {
        self.swaps = 0;
        self.looks.set(0);
    }

    /// The larger of these and what was counted: swaps, looks.
    fn more_than(&self, (swaps, looks): (u32, u32)) -> (u32, u32) {
        (swaps.max(self.swaps), looks.max(self.looks.get()))
    }
}

impl TimerHeap for Heap {
    fn length(&self) -> usize {
        self.length
    }

    fn get(&self, place: usize) -> Entry {
        self.looks.set(self.looks.get() + 1);
        self.in_use()[place]
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.swaps += 1;
        self.entries[..self.length].swap(one, other);
    }

    fn push(&mut self, entry: Entry) {
        self.entries[self.length] = entry;
        self.length += 1;
    }

    fn pop(&mut self) -> Option<Entry> {
        self.length = self.length.checked_sub(1)?;
        Some(self.entries[self.length])
    }
}
