//! Reference for exercise 3c: the timer queue.

use crate::timer_heap::{Entry, TimerHeap};

/// Puts an entry in.
pub fn insert(heap: &mut impl TimerHeap, entry: Entry) {
    heap.push(entry);
    rise(heap, heap.length() - 1);
}

/// Takes the entry at a place out; `None` if there is none.
pub fn remove(heap: &mut impl TimerHeap, place: usize) -> Option<Entry> {
    let last = heap.length().checked_sub(1)?;
    if place > last {
        return None;
    }
    heap.swap(place, last);
    let removed = heap.pop();
    if place < last {
        // What was last comes from another branch: it may be earlier than what stands above its new place.
        rise(heap, place);
        sink(heap, place);
    }
    removed
}

/// Takes the earliest entry out if it is due, that is, if its deadline isn't later than `now`.
pub fn pop_due(heap: &mut impl TimerHeap, now: u64) -> Option<Entry> {
    if heap.length() == 0 || heap.get(0).deadline > now {
        return None;
    }
    remove(heap, 0)
}

fn rise(heap: &mut impl TimerHeap, mut place: usize) {
    while place > 0 {
        let above = (place - 1) / 2;
        if heap.get(above) < heap.get(place) {
            return;
        }
        heap.swap(above, place);
        place = above;
    }
}

fn sink(heap: &mut impl TimerHeap, mut place: usize) {
    loop {
        let below = (2 * place + 1..=2 * place + 2).filter(|below| *below < heap.length());
        let Some(earliest) = below.min_by_key(|below| heap.get(*below)) else { return };
        if heap.get(place) < heap.get(earliest) {
            return;
        }
        heap.swap(place, earliest);
        place = earliest;
    }
}
