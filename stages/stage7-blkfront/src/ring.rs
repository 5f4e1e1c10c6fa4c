//! The ring that a disk's requests and responses go through.
//!
//! Follows Xen's `public/io/ring.h`. The memory begins with four indexes, then come the entries, each of which holds a request and,
//! later, a response:
//!
//! | offset | field | who writes it |
//! |---|---|---|
//! | 0, 4 | `req_prod`, `req_event` | frontend, backend |
//! | 8, 12 | `rsp_prod`, `rsp_event` | backend, frontend |
//! | 64 | entries of [`ENTRY`] bytes, as many as fit, rounded down to a power of two | both |
//!
//! Indexes run freely. `req_event` says from which request on the backend wants an event, `rsp_event` the same of the frontend.
//!
//! Invariant: shared memory is reached word by word, each by one volatile load or store, and never borrowed. An entry is written
//! only while no request or response is in it, which whoever has no more requests under way than there are entries sees to.

use core::sync::atomic::{Ordering, fence};

use crate::blkif::{Response, WORDS};
use crate::completions::Responses;

const REQ_PROD: usize = 0;
const REQ_EVENT: usize = 4;
const RSP_PROD: usize = 8;
const RSP_EVENT: usize = 12;
const ENTRIES: usize = 64;
/// Bytes of an entry.
pub const ENTRY: usize = WORDS * 8;

/// Memory that is shared with a backend. Tests have some whose other side they are themselves.
pub trait Shared {
    /// How many bytes there are.
    fn bytes(&self) -> usize;

    /// Loads 32 bits, once. The offset is a multiple of 4.
    fn load_u32(&self, offset: usize) -> u32;

    /// Stores 32 bits.
    fn store_u32(&self, offset: usize, value: u32);

    /// Loads 64 bits, once. The offset is a multiple of 8.
    fn load(&self, offset: usize) -> u64;

    /// Stores 64 bits.
    fn store(&self, offset: usize, value: u64);
}

/// The frontend's side of a ring.
pub struct Ring<S> {
    memory: S,
    size: u32,
    /// The number of the next request.
    produced: u32,
    /// The number of the first that the backend doesn't see yet.
    published: u32,
    /// The number of the next response.
    consumed: u32,
}

impl<S: Shared> Ring<S> {
    /// Makes an empty ring in memory that is all zeros.
    pub fn new(memory: S) -> Self {
        let fit = (memory.bytes() - ENTRIES) / ENTRY;
        memory.store_u32(REQ_EVENT, 1);
        memory.store_u32(RSP_EVENT, 1);
        Self { memory, size: 1 << fit.ilog2(), produced: 0, published: 0, consumed: 0 }
    }

    /// How many requests can be under way at a time.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The memory.
    pub fn memory(&self) -> &S {
        &self.memory
    }

    /// Writes a request into the next entry. The backend doesn't see it before [`publish`](Self::publish).
    pub fn put(&mut self, request: &[u64; WORDS]) {
        let place = self.entry(self.produced);
        for (index, word) in request.iter().enumerate() {
            self.memory.store(place + 8 * index, *word);
        }
        self.produced = self.produced.wrapping_add(1);
    }

    // ANCHOR: publish
    /// Shows the backend all requests that were put. Returns whether it wants an event for them.
    #[must_use]
    pub fn publish(&mut self) -> bool {
        let before = core::mem::replace(&mut self.published, self.produced);
        fence(Ordering::SeqCst); // the requests before the index
        self.memory.store_u32(REQ_PROD, self.produced);
        fence(Ordering::SeqCst); // the index before the look at what the backend wants
        let event = self.memory.load_u32(REQ_EVENT);
        self.produced.wrapping_sub(event) < self.produced.wrapping_sub(before)
    }
    // ANCHOR_END: publish

    fn entry(&self, number: u32) -> usize {
        ENTRIES + (number & (self.size - 1)) as usize * ENTRY
    }
}

impl<S: Shared> Responses for Ring<S> {
    fn produced(&self) -> u32 {
        let produced = self.memory.load_u32(RSP_PROD);
        fence(Ordering::SeqCst); // the index before the responses
        produced
    }

    fn consumed(&self) -> u32 {
        self.consumed
    }

    fn take(&mut self) -> Response {
        let place = self.entry(self.consumed);
        self.consumed = self.consumed.wrapping_add(1);
        Response::new([self.memory.load(place), self.memory.load(place + 8)])
    }

    fn set_event(&mut self, number: u32) {
        self.memory.store_u32(RSP_EVENT, number);
        fence(Ordering::SeqCst); // before the next look at the index
    }
}
