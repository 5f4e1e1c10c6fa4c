//! Frames that are received.
//!
//! Follows Xen's `public/io/netif.h`, and what Linux's netback does. The frontend offers pages: each request of the rx ring holds
//! the reference of an empty one. The backend copies a frame into the next of them and answers, in the same slots and in order. A
//! frame that is longer than a page takes several slots, each but the last marked with `MORE`. Behind a slot marked with `EXTRA` stand slots
//! that hold no part of the frame but tell something about it; each has used up a request, too.
//!
//! A request's id is the number of its slot. As answers come in order, the id of each is known beforehand: another one proves
//! that the backend is wrong, and then nothing it says can be believed any more.
//!
//! Invariant: a page is copied out of before it is offered again, and the ring runs empty only if there is no memory.

use alloc::vec::Vec;

use console::types::PAGE_SIZE;

use crate::netif::{RX_SLOT, RxRequest};
use crate::pages::{Memory, Page, Pool};
use crate::receive as exercise;
use crate::shared_ring::{FrontRing, Overrun, RingMemory};

/// What is known about the checksum of TCP or UDP in a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// Nothing: it has to be verified.
    Unknown,
    /// It is right.
    Valid,
    /// It isn't there, as the frame never left this machine.
    Blank,
}

/// A frame, copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
    /// What the first slot says about its checksum.
    pub checksum: Checksum,
}

/// Why a frame was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dropped {
    /// The backend could not copy it.
    Refused,
    /// A part is not in its page.
    OutOfPage,
    /// Its last slot is missing.
    Cut,
    /// It has more than [`LONGEST`](crate::netif::LONGEST) bytes.
    TooLong,
    /// There is no memory for it.
    OutOfMemory,
}

/// What came next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// A frame.
    Frame(Frame),
    /// One that is of no use.
    Dropped(Dropped),
}

/// The backend does what it must not: there is no going on with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken;

impl From<Overrun> for Broken {
    fn from(Overrun: Overrun) -> Self {
        Self
    }
}

// ANCHOR: receiver
/// The rx ring and its pages: what exercise 6b works with. The checks have one that notes each call.
pub trait Receiver {
    /// How many slots the ring has, a power of two.
    fn slots(&self) -> u32;

    /// How many requests there is room for.
    fn room(&self) -> u32;

    /// The number of the next request.
    fn next(&self) -> u32;

    /// Takes a page that nobody uses.
    fn spare(&mut self) -> Option<Page>;

    /// Puts a request with this id for this page, and keeps the page under that id.
    fn offer(&mut self, id: u16, page: Page);

    /// Shows the backend all requests that were put.
    fn publish(&mut self);

    /// Takes the next response: its number, and a copy of its words.
    ///
    /// # Errors
    /// If the backend's count can't be true.
    fn take(&mut self) -> Result<Option<(u32, [u32; 2])>, Overrun>;

    /// Takes the page that was offered under this id. `None` if there is none.
    fn withdraw(&mut self, id: u16) -> Option<Page>;

    /// Copies `count` bytes of a page, from `offset` on, to the end of `bytes`. Returns whether there was memory for them.
    fn copy(&mut self, page: &Page, offset: usize, count: usize, bytes: &mut Vec<u8>) -> bool;

    /// Gives a page back, to be spare.
    fn give_back(&mut self, page: Page);
}
// ANCHOR_END: receiver

/// Offers spare pages as long as there are some and the ring has room; exercise 6b. Returns how many.
pub fn refill(receiver: &mut impl Receiver) -> u32 {
    exercise::refill(receiver)
}

/// Takes the next frame, with all its slots; exercise 6b. `None` if there is none.
///
/// # Errors
/// [`Broken`] if the backend can't be believed any more.
pub fn collect(receiver: &mut impl Receiver) -> Result<Option<Received>, Broken> {
    exercise::collect(receiver)
}

/// The receiving half of a queue.
pub struct RxHalf<M, S> {
    ring: FrontRing<M>,
    pool: Pool<S>,
    offered: Vec<Option<Page>>,
    /// The backend has to be told of new requests.
    tell: bool,
}

impl<M: RingMemory, S: Memory> RxHalf<M, S> {
    /// With a fresh ring.
    pub fn new(memory: M, pool: Pool<S>) -> Self {
        let ring = FrontRing::new(memory, RX_SLOT);
        let offered = (0..ring.slots()).map(|_| None).collect();
        Self { ring, pool, offered, tell: false }
    }

    /// Whether the backend has to be told of what was published since the last call.
    pub fn take_tell(&mut self) -> bool {
        core::mem::take(&mut self.tell)
    }

    /// Asks for an event with the next frame. Returns whether one has come meanwhile.
    pub fn ask_for_event(&mut self) -> bool {
        self.ring.ask_for_event()
    }

    /// Pages that wait for frames.
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

impl<M: RingMemory, S: Memory> Receiver for RxHalf<M, S> {
    fn slots(&self) -> u32 {
        self.ring.slots()
    }

    fn room(&self) -> u32 {
        self.ring.room()
    }

    fn next(&self) -> u32 {
        self.ring.next()
    }

    fn spare(&mut self) -> Option<Page> {
        self.pool.take()
    }

    fn offer(&mut self, id: u16, page: Page) {
        let reference = self.pool.memory().reference(page.number());
        self.ring.put(RxRequest { id, reference }.words());
        if let Some(slot) = self.offered.get_mut(usize::from(id))
            && let Some(forgotten) = slot.replace(page)
        {
            self.pool.give_back(forgotten);
        }
    }

    fn publish(&mut self) {
        self.tell |= self.ring.publish();
    }

    fn take(&mut self) -> Result<Option<(u32, [u32; 2])>, Overrun> {
        self.ring.take()
    }

    fn withdraw(&mut self, id: u16) -> Option<Page> {
        self.offered.get_mut(usize::from(id))?.take()
    }

    fn copy(&mut self, page: &Page, offset: usize, count: usize, bytes: &mut Vec<u8>) -> bool {
        let inside = offset <= PAGE_SIZE && count <= PAGE_SIZE - offset;
        if !inside || bytes.try_reserve(count).is_err() {
            return false;
        }
        let from = bytes.len();
        bytes.resize(from + count, 0);
        self.pool.memory().read(page.number(), offset, &mut bytes[from..]);
        true
    }

    fn give_back(&mut self, page: Page) {
        self.pool.give_back(page);
    }
}
