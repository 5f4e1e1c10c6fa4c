//! Reference for exercise 4b: the run queue.

use crate::ready::{LEVELS, Levels, PATIENCE, State};

/// Puts an item at the end of its level.
pub fn put<L: Levels>(levels: &mut L, state: &mut State, level: usize, item: L::Item) {
    levels.push(level, item);
    state.occupied |= 1 << level;
}

/// Takes the item that is to run next.
pub fn pick<L: Levels>(levels: &mut L, state: &mut State) -> Option<L::Item> {
    let highest = state.occupied.checked_ilog2()? as usize;
    let chosen = if state.occupied == 1 << highest { highest } else { in_turn(state, highest) };
    state.passed_over[chosen] = 0;
    let item = levels.take(chosen, &mut |_| true);
    note_empty(levels, state, chosen);
    item
}

/// The level whose turn it is, where there are several. The others are passed over.
fn in_turn(state: &mut State, highest: usize) -> usize {
    let impatient = (0..highest).rev().find(|&level| occupied(state, level) && state.passed_over[level] >= PATIENCE);
    let chosen = impatient.unwrap_or(highest);
    for level in (0..LEVELS).filter(|&level| level != chosen) {
        if occupied(state, level) {
            state.passed_over[level] += 1;
        }
    }
    chosen
}

/// Takes an item for another vCPU.
pub fn steal<L: Levels>(levels: &mut L, state: &mut State, fits: &mut dyn FnMut(&L::Item) -> bool) -> Option<L::Item> {
    let mut candidates = (0..LEVELS).rev().filter(|&level| state.occupied >> level & 1 == 1);
    let (level, item) = candidates.find_map(|level| Some((level, levels.take(level, fits)?)))?;
    note_empty(levels, state, level);
    Some(item)
}

fn occupied(state: &State, level: usize) -> bool {
    state.occupied >> level & 1 == 1
}

fn note_empty<L: Levels>(levels: &L, state: &mut State, level: usize) {
    if levels.is_empty(level) {
        state.occupied &= !(1 << level);
        state.passed_over[level] = 0;
    }
}
