//! Frames that are sent.
//!
//! Follows Xen's `public/io/netif.h`, and what Linux's netback takes. A frame is copied into pages and a request is put for each. The first
//! request holds the size of the *whole* frame; those behind it, each with the size of its own part. All but the last are marked with
//! `MORE`. A backend takes frames of several parts only if it has said `feature-sg`. Where a frame holds several [`segments`](crate::segments), a slot
//! behind the first request says so.
//!
//! A backend may answer in any order, so a page is found by the id, which is the page's number. While a request has no answer the
//! backend may be reading the page.
//!
//! Invariant: a page isn't written to while it is offered.

use alloc::vec::Vec;
use core::fmt;

use crate::netif::{TX_SLOT, TxFlags, TxRequest, TxResponse, segment_size};
use crate::pages::{Memory, Page, Pool};
use crate::rx::Broken;
use crate::shared_ring::{FrontRing, Overrun, RingMemory};
use crate::transmit as exercise;

/// Why a frame can't be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// It has no Ethernet header.
    TooShort,
    /// It is longer than lengths can say, or than this backend takes.
    TooLong,
    /// The ring is full, or there is no page.
    Full,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "a frame without a header can't be sent",
            Self::TooLong => "the frame is too long for this interface",
            Self::Full => "the interface can't take more frames now",
        })
    }
}

impl core::error::Error for SendError {}

/// How many answers came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reaped {
    /// For parts that were sent.
    pub sent: u32,
    /// For parts that were not.
    pub failed: u32,
}

// ANCHOR: transmitter
/// The tx ring and its pages: what exercise 6c works with. The checks have one that notes each call.
pub trait Transmitter {
    /// Whether the backend takes frames in several parts.
    fn gathers(&self) -> bool;

    /// How many requests there is room for.
    fn room(&self) -> u32;

    /// Takes a page that nobody uses.
    fn spare(&mut self) -> Option<Page>;

    /// Gives a page back, to be spare.
    fn give_back(&mut self, page: Page);

    /// Copies bytes to the beginning of a page: at most a page of them.
    fn fill(&mut self, page: &Page, bytes: &[u8]);

    /// Puts a request for what stands at the page's beginning, with the page's number as its id, and keeps the page under that id.
    fn offer(&mut self, page: Page, flags: TxFlags, size: u16);

    /// Takes the next response.
    ///
    /// # Errors
    /// If the backend's count can't be true.
    fn take(&mut self) -> Result<Option<TxResponse>, Overrun>;

    /// Takes the page that was offered under this id. `None` if there is none.
    fn withdraw(&mut self, id: u16) -> Option<Page>;
}
// ANCHOR_END: transmitter

/// Puts requests for a frame; exercise 6c. They have to be published yet. `blank` tells that the checksum of TCP or UDP isn't there.
///
/// # Errors
/// As [`SendError`] says. Then nothing was put, and no page is missing.
pub fn send(transmitter: &mut impl Transmitter, frame: &[u8], blank: bool) -> Result<(), SendError> {
    exercise::send(transmitter, frame, blank)
}

/// Takes all responses that are there, and gives their pages back; exercise 6c.
///
/// # Errors
/// [`Broken`] if the backend can't be believed any more.
pub fn reap(transmitter: &mut impl Transmitter) -> Result<Reaped, Broken> {
    exercise::reap(transmitter)
}

/// The sending half of a queue.
pub struct TxHalf<M, S> {
    ring: FrontRing<M>,
    pool: Pool<S>,
    offered: Vec<Option<Page>>,
    gathers: bool,
    /// The next frame holds several segments, with so much data in each.
    segments: Option<u16>,
}

impl<M: RingMemory, S: Memory> TxHalf<M, S> {
    /// With a fresh ring.
    pub fn new(memory: M, pool: Pool<S>, gathers: bool) -> Self {
        let ring = FrontRing::new(memory, TX_SLOT);
        let offered = (0..ring.slots()).map(|_| None).collect();
        Self { ring, pool, offered, gathers, segments: None }
    }

    /// Puts requests for a frame as [`send`] does. If it holds several segments of TCP, `segments` is how much data each has: behind the first
    /// request stands a slot that says so.
    ///
    /// # Errors
    /// As [`send`].
    pub fn send(&mut self, frame: &[u8], blank: bool, segments: Option<u16>) -> Result<(), SendError> {
        self.segments = segments;
        let sent = send(self, frame, blank);
        self.segments = None;
        sent
    }

    /// Shows the backend all requests that were put. Returns whether it has to be told.
    pub fn publish(&mut self) -> bool {
        self.ring.publish()
    }

    /// Asks for an event with the next response. Returns whether one has come meanwhile.
    pub fn ask_for_event(&mut self) -> bool {
        self.ring.ask_for_event()
    }

    /// Pages that the backend may be reading.
    pub fn offered(&self) -> usize {
        (self.ring.slots() - self.ring.room()) as usize
    }

    /// The ring's memory.
    pub fn ring_memory(&self) -> &M {
        self.ring.memory()
    }

    /// Its pages.
    pub fn pool(&self) -> &Pool<S> {
        &self.pool
    }
}

impl<M: RingMemory, S: Memory> Transmitter for TxHalf<M, S> {
    fn gathers(&self) -> bool {
        self.gathers
    }

    fn room(&self) -> u32 {
        self.ring.room().saturating_sub(u32::from(self.segments.is_some()))
    }

    fn spare(&mut self) -> Option<Page> {
        self.pool.take()
    }

    fn give_back(&mut self, page: Page) {
        self.pool.give_back(page);
    }

    fn fill(&mut self, page: &Page, bytes: &[u8]) {
        self.pool.memory().write(page.number(), bytes);
    }

    fn offer(&mut self, page: Page, mut flags: TxFlags, size: u16) {
        let id = page.number();
        let reference = self.pool.memory().reference(id);
        let segments = self.segments.take();
        flags.set(TxFlags::EXTRA, segments.is_some());
        self.ring.put(TxRequest { reference, offset: 0, flags, id, size }.words());
        if let Some(size) = segments {
            self.ring.put(segment_size(size));
        }
        if let Some(slot) = self.offered.get_mut(usize::from(id)) {
            *slot = Some(page);
        }
    }

    fn take(&mut self) -> Result<Option<TxResponse>, Overrun> {
        Ok(self.ring.take()?.map(|(_, words)| TxResponse::new(words)))
    }

    fn withdraw(&mut self, id: u16) -> Option<Page> {
        self.offered.get_mut(usize::from(id))?.take()
    }
}
