//! The queue of timers: a binary heap, in which every timer knows its place.
//!
//! Timer number n stands before those at 2 n + 1 and 2 n + 2, so the first is the earliest of all, and one that comes or
//! goes moves along one way between the top and the bottom: in a queue of a million timers that is twenty steps.
//!
//! Invariant: of what the live queue holds, the entries in use and their functions belong together one to one, and the place
//! noted for each is where it is.

use alloc::vec::Vec;

use crate::timer::{Callback, OutOfMemory};
use crate::timer_queue as exercise;

// ANCHOR: entry
/// A timer in the queue. The earlier one is the one with the smaller deadline; of two with the same, the one with the
/// smaller sequence number, which was set first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry {
    /// When it is due, in nanoseconds.
    pub deadline: u64,
    /// How many were set before it.
    pub sequence: u64,
    /// Which timer it is.
    pub slot: u32,
}
// ANCHOR_END: entry

// ANCHOR: timer_heap
/// The array that the queue is kept in: what exercise 3c works on. The checks have one that counts.
pub trait TimerHeap {
    /// How many entries there are.
    fn length(&self) -> usize;

    /// The entry at a place.
    ///
    /// # Panics
    /// If there is none: `place` must be less than [`length`](Self::length).
    fn get(&self, place: usize) -> Entry;

    /// Has two entries change places.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    fn swap(&mut self, one: usize, other: usize);

    /// Puts an entry behind the last.
    fn push(&mut self, entry: Entry);

    /// Takes the last entry out.
    fn pop(&mut self) -> Option<Entry>;
}
// ANCHOR_END: timer_heap

/// Puts an entry in; exercise 3c. It takes at most as many swaps as the heap has levels.
pub fn insert(heap: &mut impl TimerHeap, entry: Entry) {
    exercise::insert(heap, entry);
}

/// Takes the entry at a place out; `None` if there is none; exercise 3c.
pub fn remove(heap: &mut impl TimerHeap, place: usize) -> Option<Entry> {
    exercise::remove(heap, place)
}

/// Takes the earliest entry out if it is due, that is, if its deadline isn't later than `now`; exercise 3c.
pub fn pop_due(heap: &mut impl TimerHeap, now: u64) -> Option<Entry> {
    exercise::pop_due(heap, now)
}

/// A timer's function, and where its entry is in the heap.
struct Slot {
    callback: Callback,
    argument: usize,
    sequence: u64,
    place: usize,
}

/// Not in use.
const FREE: u64 = u64::MAX;

/// The live queue.
pub(crate) struct Slots {
    heap: Vec<Entry>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    next_sequence: u64,
}

impl Slots {
    pub(crate) const fn new() -> Self {
        Self { heap: Vec::new(), slots: Vec::new(), free: Vec::new(), next_sequence: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The earliest entry.
    pub(crate) fn first(&self) -> Option<Entry> {
        self.heap.first().copied()
    }

    /// Makes room for one more timer. The entry isn't in the heap yet.
    pub(crate) fn take_slot(
        &mut self,
        deadline: u64,
        callback: Callback,
        argument: usize,
    ) -> Result<Entry, OutOfMemory> {
        if self.free.is_empty() {
            // All that the entry will ever need, so that nothing fails later on.
            self.heap.try_reserve(1).map_err(|_| OutOfMemory)?;
            self.free.try_reserve(self.slots.len() + 1).map_err(|_| OutOfMemory)?;
            self.slots.try_reserve(1).map_err(|_| OutOfMemory)?;
            let slot = u32::try_from(self.slots.len()).map_err(|_| OutOfMemory)?;
            self.slots.push(Slot { callback, argument, sequence: FREE, place: 0 });
            self.free.push(slot);
        }
        let slot = self.free.pop().ok_or(OutOfMemory)?;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.slots[slot as usize] = Slot { callback, argument, sequence, place: usize::MAX };
        Ok(Entry { deadline, sequence, slot })
    }

    /// Gives back the room of a timer that has left the heap, and returns its function.
    pub(crate) fn give_slot(&mut self, entry: Entry) -> Option<(Callback, usize)> {
        let slot = self.slots.get_mut(entry.slot as usize).filter(|slot| slot.sequence == entry.sequence)?;
        slot.sequence = FREE;
        self.free.push(entry.slot);
        Some((slot.callback, slot.argument))
    }

    /// Where an entry is in the heap, if it still is.
    pub(crate) fn place(&self, entry: Entry) -> Option<usize> {
        let place = self.slots.get(entry.slot as usize).filter(|slot| slot.sequence == entry.sequence)?.place;
        (self.heap.get(place) == Some(&entry)).then_some(place)
    }

    fn note(&mut self, place: usize) {
        let slot = self.heap[place].slot as usize;
        self.slots[slot].place = place;
    }
}

impl TimerHeap for Slots {
    fn length(&self) -> usize {
        self.heap.len()
    }

    fn get(&self, place: usize) -> Entry {
        self.heap[place]
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.note(one);
        self.note(other);
    }

    fn push(&mut self, entry: Entry) {
        self.heap.push(entry);
        self.note(self.heap.len() - 1);
    }

    fn pop(&mut self) -> Option<Entry> {
        self.heap.pop()
    }
}
