//! Exercise 4b: the run queue. (Its reference is solutions/stage4-threads/run_queue.rs.)
//!
//! [`ready`](crate::ready) describes the levels and the state.

use crate::lab_todo;
use crate::ready::{Levels, State};

/// Puts an item at the end of its level.
pub fn put<L: Levels>(levels: &mut L, state: &mut State, level: usize, item: L::Item) {
    lab_todo!("4b", levels, state, level, item)
}

/// Takes the item that is to run next, or `None` if there is none at all.
///
/// - That is the first item of the highest level that has any, level `LEVELS - 1` being the highest;
/// - except where a lower level has been passed over `PATIENCE` times: then the highest of those goes first.
///
/// A level is passed over by each `pick` that takes an item of a higher or lower level while it has items itself. Its count
/// begins anew whenever an item of it is picked, and when it becomes empty.
pub fn pick<L: Levels>(levels: &mut L, state: &mut State) -> Option<L::Item> {
    lab_todo!("4b", levels, state)
}

/// Takes an item for another vCPU: of the highest level that holds any which `fits`, the first that does. Nothing counts as
/// passed over.
pub fn steal<L: Levels>(levels: &mut L, state: &mut State, fits: &mut dyn FnMut(&L::Item) -> bool) -> Option<L::Item> {
    lab_todo!("4b", levels, state, fits)
}
