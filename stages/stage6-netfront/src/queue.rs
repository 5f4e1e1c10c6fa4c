//! A queue: a pair of rings with its event channels.
//!
//! Invariant: the backend gets an event only if it asked for one.

use alloc::format;

use console::types::Domid;
use events::port::{self, Binding};
use xenbus::frontend::{Details, DeviceError};
use xenbus::grant_entry::Access;
use xenbus::grants::SharedPage;

use crate::checksum::Offload;
use crate::pages::{Granted, Pool};
use crate::rx::{self, RxHalf};
use crate::shared_ring::RingMemory;
use crate::signal::Signal;
use crate::tx::TxHalf;

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

/// How the backend of a queue is told of something. Tests have one that counts.
pub trait Bell {
    /// There are new pages for frames.
    fn tell_rx(&self);

    /// There are new frames to be sent.
    fn tell_tx(&self);
}

/// The event channels of a queue.
pub enum Ports {
    /// One for both directions.
    One(Binding),
    /// One for each.
    Split {
        /// For frames that are sent.
        tx: Binding,
        /// For frames that are received.
        rx: Binding,
    },
}

impl Bell for Ports {
    fn tell_rx(&self) {
        let (Self::One(port) | Self::Split { rx: port, .. }) = self;
        let _ = port.notify(); // without another end there is nobody to be told
    }

    fn tell_tx(&self) {
        let (Self::One(port) | Self::Split { tx: port, .. }) = self;
        let _ = port.notify(); // as above
    }
}

/// A pair of rings.
pub struct Queue<M = RingPage, S = Granted, B = Ports> {
    // The ports first, as fields are dropped in order: no event comes for a ring that is gone.
    pub(crate) bell: B,
    pub(crate) rx: RxHalf<M, S>,
    pub(crate) tx: TxHalf<M, S>,
}

/// What a backend can do, and how many pages are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// An event channel for each direction.
    pub split: bool,
    /// Frames in several parts.
    pub gathers: bool,
    /// Several segments of TCP over IPv4 as one frame.
    pub segments: bool,
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
        Ok(Self { bell: ports, rx, tx })
    }

    /// What the backend has to be told, in the folder that `prefix` names.
    pub fn details(&self, prefix: &str) -> Details {
        let mut details = Details::new();
        let mut add = |key: &str, value: u32| details.push((format!("{prefix}{key}"), format!("{value}")));
        add("tx-ring-ref", self.tx.ring_memory().0.reference().0);
        add("rx-ring-ref", self.rx.ring_memory().0.reference().0);
        match &self.bell {
            Ports::One(port) => add("event-channel", port.port().0),
            Ports::Split { tx, rx } => {
                add("event-channel-tx", tx.port().0);
                add("event-channel-rx", rx.port().0);
            }
        }
        details
    }
}
