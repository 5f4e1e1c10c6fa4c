//! Exercise 3c: the timer queue. (Its reference is solutions/stage3-events/timer_queue.rs.)
//!
//! [`timer_heap`](crate::timer_heap) describes the heap and the five operations of [`TimerHeap`]. Entries are compared
//! with `<`: the smaller is the earlier.

use console::lab_todo;

use crate::timer_heap::{Entry, TimerHeap};

/// Puts an entry in.
///
/// - Push it, then swap it with the one before it (at `(place - 1) / 2`) for as long as it is earlier.
pub fn insert(heap: &mut impl TimerHeap, entry: Entry) {
    lab_todo!("3c", heap, entry)
}

/// Takes the entry at a place out; `None` if there is none.
///
/// - The last entry takes its place. It may belong further down, or further up.
/// - Further down: swap it with the earlier of the two behind it (at `2 * place + 1` and `2 * place + 2`), for as long as
///   that one is earlier than it.
pub fn remove(heap: &mut impl TimerHeap, place: usize) -> Option<Entry> {
    lab_todo!("3c", heap, place)
}

/// Takes the earliest entry out if it is due, that is, if its deadline isn't later than `now`.
pub fn pop_due(heap: &mut impl TimerHeap, now: u64) -> Option<Entry> {
    lab_todo!("3c", heap, now)
}
