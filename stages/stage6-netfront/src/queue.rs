//! A pair of rings with its event channels, and all pairs of an interface as one.
//!
//! An interface has one queue, or several, if the backend can do that: then each has a processor of its own at the backend. What
//! comes in any of them is received. What is sent goes through a queue that its addresses and ports decide, so that the frames of
//! a connection stay in order.
//!
//! Invariant: the backend gets an event only if it asked for one. Whoever stops taking from a ring has asked for an event, or
//! has been told that there is more.

use alloc::format;
use alloc::vec::Vec;

use console::types::Domid;
use events::port::{self, Binding};
use xenbus::frontend::{Details, DeviceError};
use xenbus::grant_entry::Access;
use xenbus::grants::SharedPage;

use crate::checksum::Offload;
use crate::netif::SHORTEST;
use crate::pages::{Granted, Pool};
use crate::phy::{Unfit, Wire};
use crate::rx::{self, Frame, Received, Receiver, RxHalf};
use crate::shared_ring::RingMemory;
use crate::signal::Signal;
use crate::statistics::Counts;
use crate::tx::{self, SendError, Transmitter, TxHalf};

/// So many pages wait before they are offered in the middle of work.
const REFILL: usize = 32;

/// The page of a ring.
pub struct RingPage(SharedPage);

impl RingMemory for RingPage {
    fn load(&self, offset: usize) -> u32 {
        // SAFETY: the ring's code stays within the page, which is this value's, at multiples of 4.
        unsafe { self.0.address().wrapping_add(offset).cast::<u32>().read_volatile() }
    }

    fn store(&self, offset: usize, value: u32) {
        // SAFETY: as above.
        unsafe { self.0.address().wrapping_add(offset).cast::<u32>().write_volatile(value) }
    }
}

/// The event channels of a queue.
enum Ports {
    One(Binding),
    Split { tx: Binding, rx: Binding },
}

/// A pair of rings.
pub struct Queue {
    // The ports first, as fields are dropped in order: no event comes for a ring that is gone.
    ports: Ports,
    rx: RxHalf<RingPage, Granted>,
    tx: TxHalf<RingPage, Granted>,
}

/// What a backend can do, and how many queues are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// An event channel for each direction.
    pub split: bool,
    /// Frames in several parts.
    pub gathers: bool,
    /// Checksums.
    pub offload: Offload,
    /// Pages offered for frames.
    pub pages: u16,
}

impl Queue {
    /// Makes rings, pages and event channels for a backend in this domain.
    ///
    /// # Errors
    /// If there is no memory, no reference or no port.
    pub fn new(domain: Domid, offer: &Offer, signal: &Signal) -> Result<Self, DeviceError> {
        let ring = || SharedPage::new(domain, Access::ReadWrite).map(RingPage);
        let rx_pool = Pool::new(Granted::new(domain, Access::ReadWrite), offer.pages);
        let tx_pool = Pool::new(Granted::new(domain, Access::ReadOnly), 256);
        let mut rx = RxHalf::new(ring()?, rx_pool);
        let tx = TxHalf::new(ring()?, tx_pool, offer.gathers);
        rx::refill(&mut rx);
        let port = || port::allocate_unbound(domain, Signal::handle, signal.address());
        let ports = if offer.split { Ports::Split { tx: port()?, rx: port()? } } else { Ports::One(port()?) };
        Ok(Self { ports, rx, tx })
    }

    /// What the backend has to be told, in the folder that `prefix` names.
    pub fn details(&self, prefix: &str) -> Details {
        let mut details = Details::new();
        let mut add = |key: &str, value: u32| details.push((format!("{prefix}{key}"), format!("{value}")));
        add("tx-ring-ref", self.tx.ring_memory().0.reference().0);
        add("rx-ring-ref", self.rx.ring_memory().0.reference().0);
        match &self.ports {
            Ports::One(port) => add("event-channel", port.port().0),
            Ports::Split { tx, rx } => {
                add("event-channel-tx", tx.port().0);
                add("event-channel-rx", rx.port().0);
            }
        }
        details
    }

    fn tell_rx(&self, counts: &mut Counts) {
        let (Ports::One(port) | Ports::Split { rx: port, .. }) = &self.ports;
        counts.events_sent += 1;
        let _ = port.notify(); // without another end there is nobody to be told
    }

    fn tell_tx(&self, counts: &mut Counts) {
        let (Ports::One(port) | Ports::Split { tx: port, .. }) = &self.ports;
        counts.events_sent += 1;
        let _ = port.notify(); // as above
    }
}

/// How a round of work ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settled {
    /// Something came meanwhile: there may be no event of it.
    pub more: bool,
    /// Nothing can be sent before an event comes.
    pub full: bool,
}

/// All queues of an interface.
pub struct Queues {
    queues: Vec<Queue>,
    mtu: usize,
    offload: Offload,
    /// The backend has done what it must not.
    broken: bool,
    /// Somebody wanted to send and could not: there has to be an event when there is room.
    full: bool,
    /// The queue that is looked at first.
    turn: usize,
    /// A buffer that was used before.
    spare: Vec<u8>,
    counts: Counts,
}

impl Queues {
    /// Of these queues.
    pub fn new(queues: Vec<Queue>, mtu: usize, offload: Offload) -> Self {
        let counts = Counts::default();
        Self { queues, mtu, offload, broken: false, full: false, turn: 0, spare: Vec::new(), counts }
    }

    /// What came and went.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the backend can't be believed any more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Pages that wait for frames, and pages that wait to be sent.
    pub fn offered(&self) -> (usize, usize) {
        self.queues.iter().fold((0, 0), |(rx, tx), queue| (rx + queue.rx.offered(), tx + queue.tx.offered()))
    }

    /// Tells the backend of everything, as it may have missed what was said before it was there.
    pub fn kick(&mut self) {
        for queue in &self.queues {
            queue.tell_rx(&mut self.counts);
        }
    }

    // ANCHOR: settle
    /// Ends a round of work: offers pages, shows what is to be sent, and asks for events.
    pub fn settle(&mut self) -> Settled {
        let mut more = false;
        for queue in &mut self.queues {
            rx::refill(&mut queue.rx);
            if queue.rx.take_tell() {
                queue.tell_rx(&mut self.counts);
            }
            if queue.tx.publish() {
                queue.tell_tx(&mut self.counts);
            }
            more |= queue.rx.ask_for_event();
            if self.full {
                more |= queue.tx.ask_for_event();
            }
        }
        let full = core::mem::take(&mut self.full);
        Settled { more: more && !self.broken, full: full && !more }
    }
    // ANCHOR_END: settle

    fn note(&mut self, received: Result<Option<Received>, rx::Broken>) -> Option<Option<Frame>> {
        match received {
            Ok(None) => None,
            Ok(Some(Received::Frame(frame))) => {
                self.counts.received += 1;
                self.counts.bytes_received += frame.bytes.len() as u64;
                Some(Some(frame))
            }
            Ok(Some(Received::Dropped(why))) => {
                log::debug!("a frame was dropped: {why:?}");
                self.counts.dropped += 1;
                Some(None)
            }
            Err(rx::Broken) => {
                self.broken = true;
                None
            }
        }
    }
}

/// A number that all frames of a connection have in common: of the addresses and ports, where those of IPv4 are without options.
/// Frames of other kinds all have the same.
fn flow(frame: &[u8]) -> usize {
    match frame.get(12..14) {
        Some([0x08, 0x00] | [0x86, 0xdd]) => {
            let ends = frame.get(26..38).unwrap_or_default();
            ends.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)))
        }
        _ => 0,
    }
}

impl Wire for Queues {
    fn mtu(&self) -> usize {
        self.mtu
    }

    fn offload(&self) -> Offload {
        self.offload
    }

    fn receive(&mut self) -> Option<Frame> {
        let count = self.queues.len();
        let mut empty = 0;
        while empty < count && !self.broken {
            let turn = self.turn % count;
            let received = rx::collect(&mut self.queues[turn].rx);
            match self.note(received) {
                None => {
                    empty += 1;
                    self.turn = turn + 1;
                }
                Some(frame) => {
                    let queue = &mut self.queues[turn].rx;
                    if queue.room() as usize >= REFILL && queue.pool().counts().1 >= REFILL {
                        rx::refill(queue);
                    }
                    if frame.is_some() {
                        return frame;
                    }
                }
            }
        }
        None
    }

    fn unfit(&mut self, why: Unfit) {
        log::debug!("a frame was unfit: {why:?}");
        match why {
            Unfit::Damaged => self.counts.damaged += 1,
            Unfit::TooShort | Unfit::TooLong => self.counts.dropped += 1,
        }
    }

    fn can_send(&mut self) -> bool {
        // Which queue it will be is known when the frame is.
        let parts = (self.mtu + SHORTEST).div_ceil(console::types::PAGE_SIZE) as u32;
        let mut room = !self.queues.is_empty();
        for queue in &mut self.queues {
            match tx::reap(&mut queue.tx) {
                Ok(reaped) => self.counts.failed += u64::from(reaped.failed),
                Err(rx::Broken) => self.broken = true,
            }
            room &= queue.tx.room() >= parts;
        }
        self.full |= !room;
        room && !self.broken
    }

    fn buffer(&mut self, length: usize) -> Vec<u8> {
        let mut buffer = core::mem::take(&mut self.spare);
        buffer.clear();
        buffer.resize(length, 0);
        buffer
    }

    fn send(&mut self, frame: Vec<u8>, blank: bool) {
        let chosen = flow(&frame) % self.queues.len().max(1);
        if let Some(queue) = self.queues.get_mut(chosen) {
            match tx::send(&mut queue.tx, &frame, blank) {
                Ok(()) => {
                    self.counts.sent += 1;
                    self.counts.bytes_sent += frame.len() as u64;
                }
                Err(error) => {
                    self.full |= error == SendError::Full;
                    self.counts.failed += 1;
                }
            }
        }
        self.spare = frame;
    }
}
