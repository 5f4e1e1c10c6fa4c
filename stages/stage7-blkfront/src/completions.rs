//! Completions: which request a response belongs to.
//!
//! Responses come in any order, so each request has an id, which the backend returns. The backend is not to be believed: an id
//! that was never given, or was answered already, must not finish anything. So an id has two halves, the number of a *slot*, and the
//! slot's *turn*, which is another each time that the slot is used.
//!
//! Invariant: what is under way is finished once, by the first response with its own id.

use alloc::vec::Vec;

use crate::blkif::Response;
use crate::completion as exercise;

/// What the backend says can't be true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lie(pub &'static str);

/// More responses than requests.
pub const TOO_MANY: Lie = Lie("more responses than requests");
/// A response to no request.
pub const NO_REQUEST: Lie = Lie("a response to no request");

// ANCHOR: table
/// Requests that are under way, each with something of type `T` to remember it by.
pub struct Table<T> {
    /// The slots.
    pub slots: Vec<Slot<T>>,
    /// The numbers of those that are free. The last one is taken first. It has room for all of them.
    pub free: Vec<u32>,
}

/// A place for a request.
pub struct Slot<T> {
    /// How often it has been used. After the highest number comes 0.
    pub turn: u32,
    /// What is under way; `None` in a slot that is free.
    pub item: Option<T>,
}
// ANCHOR_END: table

impl<T> Table<T> {
    /// A table for so many requests.
    pub fn new(size: u32) -> Self {
        let slots = (0..size).map(|_| Slot { turn: 0, item: None }).collect();
        Self { slots, free: (0..size).rev().collect() }
    }

    /// How many requests are under way.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives up on all of them.
    pub fn drain(&mut self) -> Vec<T> {
        self.free = (0..self.slots.len() as u32).rev().collect();
        self.slots.iter_mut().filter_map(|slot| slot.item.take()).collect()
    }
}

// ANCHOR: responses
/// Where responses come from. The checks have one whose backend does as it likes.
pub trait Responses {
    /// The number behind that of the last response, as the backend says. It may say anything, and something else the next time.
    fn produced(&self) -> u32;

    /// The number of the next response that is to be taken.
    fn consumed(&self) -> u32;

    /// Takes the next response: copies it, and counts it. So nothing is ever read twice, of which the backend could have changed the
    /// second half after the first was looked at.
    fn take(&mut self) -> Response;

    /// Asks for an event when the response *before* this number has come, and not earlier. It is visible to the backend before this
    /// returns.
    fn set_event(&mut self, number: u32);
}
// ANCHOR_END: responses

/// Puts a request into a free slot, and returns its id: the slot in bits 0 to 31, its turn in the others; exercise 7b.
///
/// # Errors
/// The item, if no slot is free.
pub fn begin<T>(table: &mut Table<T>, item: T) -> Result<u64, T> {
    exercise::begin(table, item)
}

/// Takes what this id belongs to out of its slot; exercise 7b. `None` for an id that isn't under way.
pub fn finish<T>(table: &mut Table<T>, id: u64) -> Option<T> {
    exercise::finish(table, id)
}

/// Takes all responses that are there, and asks for an event for the next one; exercise 7b.
///
/// # Errors
/// [`TOO_MANY`] or [`NO_REQUEST`]: then nothing more is taken.
pub fn collect<T>(ring: &mut impl Responses, table: &mut Table<T>, done: &mut dyn FnMut(T, i16)) -> Result<(), Lie> {
    exercise::collect(ring, table, done)
}
