//! What is ready to run on one vCPU, by priority.
//!
//! There are [`LEVELS`] levels, each a queue of its own: within a level, first come, first served; between levels, the
//! higher one first. By itself that lets a thread of high priority that never sleeps keep all lower ones from ever running.
//! So a level that was passed over [`PATIENCE`] times is served once before the others: priorities order, and nobody starves.
//! A level gets at least one turn in `PATIENCE + LEVELS`.
//!
//! The policy is exercise 4b. It works on any [`Levels`]; the kernel's are lists linked through the threads themselves, so
//! that making a thread ready allocates nothing and can't fail.
//!
//! Invariant: a bit of [`State::occupied`] is set exactly where the level has items.

use crate::run_queue as exercise;

/// How many levels there are. Level 0 is the lowest.
pub const LEVELS: usize = 16;

/// How often a level may be passed over before it is served out of turn.
pub const PATIENCE: u32 = 32;

// ANCHOR: levels
/// A queue for each level: what exercise 4b works with. The checks have one of their own.
pub trait Levels {
    /// What stands in the queues.
    type Item;

    /// Puts an item at the end of a level's queue.
    ///
    /// # Panics
    /// If there is no such level.
    fn push(&mut self, level: usize, item: Self::Item);

    /// Takes the first item of a level's queue that `fits`.
    ///
    /// # Panics
    /// If there is no such level.
    fn take(&mut self, level: usize, fits: &mut dyn FnMut(&Self::Item) -> bool) -> Option<Self::Item>;

    /// Whether a level's queue is empty.
    ///
    /// # Panics
    /// If there is no such level.
    fn is_empty(&self, level: usize) -> bool;
}

/// What the policy remembers between two calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Bit n is set where level n has items.
    pub occupied: u32,
    /// How often each level has been passed over.
    pub passed_over: [u32; LEVELS],
}
// ANCHOR_END: levels

/// Items that are ready to run.
#[derive(Default)]
pub struct ReadyQueue<L: Levels> {
    levels: L,
    state: State,
}

impl<L: Levels> ReadyQueue<L> {
    /// A queue made of these levels, which are empty.
    pub const fn new(levels: L) -> Self {
        Self { levels, state: State { occupied: 0, passed_over: [0; LEVELS] } }
    }

    /// Puts an item at the end of its level; exercise 4b. A level that there isn't counts as the highest.
    pub fn put(&mut self, level: usize, item: L::Item) {
        exercise::put(&mut self.levels, &mut self.state, level.min(LEVELS - 1), item);
    }

    /// Takes the item that is to run next; exercise 4b.
    pub fn pick(&mut self) -> Option<L::Item> {
        exercise::pick(&mut self.levels, &mut self.state)
    }

    /// Takes an item for another vCPU, the first of the highest level that holds any which `fits`; exercise 4b.
    pub fn steal(&mut self, fits: &mut dyn FnMut(&L::Item) -> bool) -> Option<L::Item> {
        exercise::steal(&mut self.levels, &mut self.state, fits)
    }

    /// The highest level that has items.
    pub fn highest(&self) -> Option<usize> {
        self.state.occupied.checked_ilog2().map(|level| level as usize)
    }

    /// What the policy remembers.
    pub fn state(&self) -> &State {
        &self.state
    }
}
