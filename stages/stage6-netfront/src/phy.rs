//! A network interface as the protocols see it: smoltcp's `Device`.
//!
//! smoltcp asks for *tokens*. A receive token is a frame that has come; a transmit token is the right to send one. It takes a
//! frame only together with the right to answer it, so that no frame is taken that can't be handled. Neither token waits.
//!
//! Invariant: the protocols see no frame that is longer than they were told, and no segment whose checksum is wrong.

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroUsize};

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::checksum::Offload;
use crate::device as exercise;
use crate::rx::Frame;

/// What is wrong with a frame that nobody shall see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// It has no Ethernet header.
    TooShort,
    /// It is longer than the interface's frames are.
    TooLong,
    /// Its checksum is wrong.
    Damaged,
}

// ANCHOR: wire
/// An interface that sends and receives frames: what exercise 6d works with. The checks have one that notes each call.
pub trait Wire {
    /// The most bytes of an IP packet. With the Ethernet header before it, it is a frame.
    fn mtu(&self) -> usize;

    /// Which checksums may be left to the backend when a frame is sent.
    fn offload(&self) -> Offload;

    /// Takes the next frame that has come.
    fn receive(&mut self) -> Option<Frame>;

    /// Counts a frame that was dropped.
    fn unfit(&mut self, why: Unfit);

    /// Whether a frame of the most bytes could be sent now, of whatever kind.
    fn can_send(&mut self) -> bool;

    /// A buffer of so many bytes, all of them 0.
    fn buffer(&mut self, length: usize) -> Vec<u8>;

    /// Sends a frame. `blank` tells that its checksum is left to the backend.
    fn send(&mut self, frame: Vec<u8>, blank: bool);

    /// The most bytes of a frame that holds a row of segments of TCP over IPv4, if such can be sent: see [`segments`](crate::segments).
    fn longest_row(&self) -> Option<NonZeroUsize> {
        None
    }

    /// Tells that the next frame to be sent holds a row, and how much data each of its segments has, but for the last.
    fn announce_row(&mut self, _segment: NonZeroU16) {}
}
// ANCHOR_END: wire

/// What smoltcp has to know about the interface; exercise 6d.
pub fn capabilities(wire: &impl Wire) -> DeviceCapabilities {
    exercise::capabilities(wire)
}

/// Takes the next frame that is fit to be seen, if a frame could be sent; exercise 6d.
pub fn receive(wire: &mut impl Wire) -> Option<Frame> {
    exercise::receive(wire)
}

/// Has `fill` write a frame of `length` bytes, and sends it; exercise 6d. Returns what `fill` returns.
pub fn send<R>(wire: &mut impl Wire, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
    exercise::send(wire, length, fill)
}

/// An interface as smoltcp's device.
pub struct Phy<'a, W>(pub &'a mut W);

/// The right to send one frame.
pub struct Sending<'a, W>(&'a mut W);

/// A frame that has come.
pub struct Receiving(Frame);

impl<W: Wire> Device for Phy<'_, W> {
    type RxToken<'a>
        = Receiving
    where
        Self: 'a;
    type TxToken<'a>
        = Sending<'a, W>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Receiving, Sending<'_, W>)> {
        let frame = receive(self.0)?;
        Some((Receiving(frame), Sending(self.0)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_, W>> {
        self.0.can_send().then_some(Sending(self.0))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = capabilities(self.0);
        capabilities.segmentation.tcpv4 = self.0.longest_row();
        capabilities
    }
}

impl RxToken for Receiving {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0.bytes)
    }
}

impl<W: Wire> TxToken for Sending<'_, W> {
    fn set_meta(&mut self, meta: PacketMeta) {
        if let Some(segment) = meta.segmentation_offload_size {
            self.0.announce_row(segment);
        }
    }

    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        send(self.0, length, f)
    }
}
