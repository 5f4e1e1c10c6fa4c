//! Exercise 7b: matching completions. (Its reference is solutions/stage7-blkfront/completion.rs.)
//!
//! [`completions`](crate::completions) has the table of what is under way, and where responses come from.

use console::lab_todo;

use crate::completions::{Lie, Responses, Table};

/// Puts a request into a free slot: the last one on the list of those that are free.
///
/// - The slot's turn becomes the next one; after the highest comes 0.
/// - The id has the slot's number in bits 0 to 31, and the new turn in bits 32 to 63.
/// - If no slot is free, the item comes back, and nothing has changed.
pub fn begin<T>(table: &mut Table<T>, item: T) -> Result<u64, T> {
    lab_todo!("7b", table, item)
}

/// Takes what this id belongs to out of its slot, which is free from then on, as the last one on the list.
///
/// - The id comes from the backend. If there is no such slot, if it is another turn's, or if nothing is in the slot: `None`, and
///   nothing has changed.
pub fn finish<T>(table: &mut Table<T>, id: u64) -> Option<T> {
    lab_todo!("7b", table, id)
}

/// Takes all responses that are there.
///
/// - Read `produced` once, then take the responses up to it: `take` returns one after the other, and counts them in `consumed`.
/// - If it says that more responses are there than requests are under way: `TOO_MANY`, and none of them is taken.
/// - Each response finishes what its id belongs to: call `done` with that, and the response's status. If its id belongs to
///   nothing: `NO_REQUEST`.
/// - Numbers wrap around.
/// - When all are taken, ask for an event for the next one. Then look at `produced` again: one that came just before you asked brings
///   no event. Go on until none is left.
pub fn collect<T>(ring: &mut impl Responses, table: &mut Table<T>, done: &mut dyn FnMut(T, i16)) -> Result<(), Lie> {
    lab_todo!("7b", ring, table, done)
}
