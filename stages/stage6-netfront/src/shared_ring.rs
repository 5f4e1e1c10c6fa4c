//! A ring of requests and responses that two domains share, and the numbers that keep it in order.
//!
//! Follows Xen's `public/io/ring.h`. A ring is a page: a header of 64 bytes, then slots of one size, a power of two of them. The
//! frontend puts requests into slots; the backend takes them, and later puts responses into the same slots. Each side counts what
//! it has put, from 0 up to 2^32 and around; the slot of number `i` is `i` modulo the number of slots.
//!
//! | offset | field | who writes it | |
//! |---|---|---|---|
//! | 0 | `req_prod`, u32 | frontend | requests that the backend may take |
//! | 4 | `req_event`, u32 | backend | tell me when request number `req_event - 1` is there |
//! | 8 | `rsp_prod`, u32 | backend | responses that the frontend may take |
//! | 12 | `rsp_event`, u32 | frontend | tell me when response number `rsp_event - 1` is there |
//! | 64 | slots | both | |
//!
//! The two event fields save events. Whoever is busy taking leaves his alone, and nobody tells him what he will see anyway.
//! Whoever runs out asks for the next one, and then *looks once more*: what came in between was not told.
//!
//! Invariant: a slot is fetched once. [`FrontRing::take`] copies it word by word and goes on to the next: nothing that was
//! checked can be read a second time, as the backend may have changed it.

use core::fmt;

use crate::indices as exercise;

/// Bytes in a page.
pub const PAGE: usize = 4096;
/// Bytes before the first slot.
pub const HEADER: usize = 64;

/// The backend's count can't be true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overrun;

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the backend has answered more than it was asked")
    }
}

impl core::error::Error for Overrun {}

// ANCHOR: header
/// The numbers at the ring's beginning: what exercise 6a works on. The checks have one that notes each access.
pub trait Header {
    /// Stores `req_prod`. What was stored before is visible to whoever sees it.
    fn set_request_producer(&self, value: u32);

    /// Loads `req_event`.
    fn request_event(&self) -> u32;

    /// Loads `rsp_prod`. What is loaded afterwards is as new as that, or newer.
    fn response_producer(&self) -> u32;

    /// Stores `rsp_event`.
    fn set_response_event(&self, value: u32);

    /// Everything before it has happened, for all processors, before anything behind it does.
    fn barrier(&self);
}
// ANCHOR_END: header

/// How many slots of `bytes` bytes a ring in one page has; exercise 6a. 0 if none fits.
pub fn slots(bytes: usize) -> u32 {
    exercise::slots(bytes)
}

/// How many responses are there to be taken; exercise 6a. `requested` requests were made so far, `consumed` responses taken.
///
/// # Errors
/// [`Overrun`] if there were more responses than requests.
pub fn waiting(header: &impl Header, requested: u32, consumed: u32) -> Result<u32, Overrun> {
    exercise::waiting(header, requested, consumed)
}

/// Shows the backend the requests from number `from` up to, and without, number `to`; exercise 6a. Returns whether it
/// has to be told by an event.
pub fn publish(header: &impl Header, from: u32, to: u32) -> bool {
    exercise::publish(header, from, to)
}

/// Asks for an event with the next response; exercise 6a. Returns whether one has come meanwhile, of which there may be no event.
pub fn ask_for_event(header: &impl Header, consumed: u32) -> bool {
    exercise::ask_for_event(header, consumed)
}

/// A page of a ring. Tests have one without a backend.
pub trait RingMemory {
    /// One volatile load of the word at this offset, a multiple of 4.
    fn load(&self, offset: usize) -> u32;

    /// One volatile store.
    fn store(&self, offset: usize, value: u32);
}

/// The header of such a page.
struct HeaderOf<'a, M>(&'a M);

impl<M: RingMemory> Header for HeaderOf<'_, M> {
    fn set_request_producer(&self, value: u32) {
        core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        self.0.store(0, value);
    }

    fn request_event(&self) -> u32 {
        self.0.load(4)
    }

    fn response_producer(&self) -> u32 {
        let value = self.0.load(8);
        core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
        value
    }

    fn set_response_event(&self, value: u32) {
        self.0.store(12, value);
    }

    fn barrier(&self) {
        core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
    }
}

/// The frontend's side of a ring.
pub struct FrontRing<M> {
    memory: M,
    words: usize,
    slots: u32,
    /// Requests that were put, shown to the backend or not.
    put: u32,
    /// Requests that were shown.
    shown: u32,
    /// Responses that were taken.
    taken: u32,
    /// Responses that are known to be there.
    known: u32,
}

impl<M: RingMemory> FrontRing<M> {
    /// An empty ring with slots of so many bytes, a multiple of 4.
    ///
    /// # Panics
    /// If no slot fits into a page.
    pub fn new(memory: M, slot_bytes: usize) -> Self {
        let slots = slots(slot_bytes);
        assert!(
            slots.is_power_of_two() && HEADER + slots as usize * slot_bytes <= PAGE && slot_bytes.is_multiple_of(4),
            "a ring of {slots} slots of {slot_bytes} bytes"
        );
        // Both sides want to hear of the first entry (`SHARED_RING_INIT`).
        for (offset, value) in [(0, 0), (4, 1), (8, 0), (12, 1)] {
            memory.store(offset, value);
        }
        Self { memory, words: slot_bytes / 4, slots, put: 0, shown: 0, taken: 0, known: 0 }
    }

    /// The memory.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// How many requests there is room for.
    pub fn room(&self) -> u32 {
        self.slots - self.put.wrapping_sub(self.taken)
    }

    /// How many slots there are.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// The number of the next request.
    pub fn next(&self) -> u32 {
        self.put
    }

    /// Puts a request.
    ///
    /// # Panics
    /// If there is no room, or the request has not the ring's size.
    pub fn put<const N: usize>(&mut self, request: [u32; N]) {
        assert!(self.room() > 0 && N == self.words, "a request of {N} words, room for {}", self.room());
        for (word, value) in request.into_iter().enumerate() {
            self.memory.store(self.place(self.put) + word * 4, value);
        }
        self.put = self.put.wrapping_add(1);
    }

    /// Shows the backend all requests that were put. Returns whether it has to be told.
    pub fn publish(&mut self) -> bool {
        let from = core::mem::replace(&mut self.shown, self.put);
        from != self.put && publish(&HeaderOf(&self.memory), from, self.put)
    }

    /// How many responses can be taken.
    ///
    /// # Errors
    /// [`Overrun`] if the backend's count can't be true.
    pub fn waiting(&mut self) -> Result<u32, Overrun> {
        let known = self.known.wrapping_sub(self.taken);
        if known > 0 {
            return Ok(known);
        }
        let waiting = waiting(&HeaderOf(&self.memory), self.shown, self.taken)?;
        // Exercise or not: never more than was asked for.
        let waiting = waiting.min(self.shown.wrapping_sub(self.taken));
        self.known = self.taken.wrapping_add(waiting);
        Ok(waiting)
    }

    // ANCHOR: take
    /// Takes the next response: its number, and a copy of its words.
    ///
    /// # Errors
    /// As [`waiting`](Self::waiting).
    pub fn take<const N: usize>(&mut self) -> Result<Option<(u32, [u32; N])>, Overrun> {
        if self.waiting()? == 0 {
            return Ok(None);
        }
        let number = self.taken;
        let copy = core::array::from_fn(|word| self.memory.load(self.place(number) + word * 4));
        self.taken = number.wrapping_add(1);
        Ok(Some((number, copy)))
    }
    // ANCHOR_END: take

    /// Asks for an event with the next response. Returns whether one has come meanwhile.
    pub fn ask_for_event(&mut self) -> bool {
        self.known != self.taken || ask_for_event(&HeaderOf(&self.memory), self.taken)
    }

    fn place(&self, number: u32) -> usize {
        HEADER + (number & (self.slots - 1)) as usize * self.words * 4
    }
}
