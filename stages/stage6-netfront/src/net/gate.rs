//! An interface that introduces strangers, and loses some first packets on purpose.
//!
//! smoltcp answers those whose Ethernet address it knows; for others it asks, and what it would have answered is lost. But a packet that has come
//! says where it came from. So a stranger is introduced: before his first packet, smoltcp gets one by which he says who he is.
//!
//! smoltcp refuses a connection to a port at which no socket listens at this moment. A listener whose backlog is full is no
//! reason to refuse: whoever gets no answer tries again a little later. So his packet is dropped here.
//!
//! Invariant: nobody is introduced who is not on this network, nor twice within a [`WHILE`].

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroUsize};
use core::time::Duration;

use smoltcp::wire::{
    ArpOperation, EthernetAddress, EthernetFrame, EthernetProtocol, Ipv4Address, Ipv4Cidr, Ipv4Packet,
};
use threads::time::{Nanoseconds, after, now};

use super::claim::{Claim, arp};

use crate::checksum::{self, Offload};
use crate::pages::{Granted, Memory};
use crate::phy::{Unfit, Wire};
use crate::queue::{Bell, Ports, RingPage};
use crate::queues::Queues;
use crate::rx::{Checksum, Frame};
use crate::shared_ring::RingMemory;

/// How long an introduction holds: less than smoltcp remembers.
const WHILE: Duration = Duration::from_secs(30);
/// Those who are remembered: as many as smoltcp does.
const KNOWN: usize = 16;

/// Who was introduced, and until when that holds.
#[derive(Default)]
pub(crate) struct Introduced {
    known: Vec<(Ipv4Address, EthernetAddress, Nanoseconds)>,
    /// A frame that has to wait until its sender is introduced.
    held: Option<Frame>,
}

impl Introduced {
    /// Forgets all: the network may be another one.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The frame by which the sender of this one says who he is, if that has to be said.
    fn introduce(&mut self, frame: &[u8], own: Option<Ipv4Cidr>) -> Option<Frame> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.ethertype() != EthernetProtocol::Ipv4 || ethernet.dst_addr().is_multicast() {
            return None;
        }
        let packet = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        let (mac, address) = (ethernet.src_addr(), packet.src_addr());
        let own = own.filter(|own| own.contains_addr(&address) && own.address() != address)?;
        if !mac.is_unicast() || packet.dst_addr() != own.address() {
            return None;
        }
        let time = now();
        self.known.retain(|(_, _, until)| *until > time);
        if self.known.iter().any(|(known, by, _)| (*known, *by) == (address, mac)) {
            return None;
        }
        if self.known.len() >= KNOWN {
            self.known.remove(0);
        }
        self.known.try_reserve(1).ok()?;
        self.known.push((address, mac, after(WHILE)));
        let bytes = arp(ArpOperation::Reply, (mac, address), (ethernet.dst_addr(), own.address()));
        Some(Frame { bytes, checksum: Checksum::Valid })
    }
}

/// An interface, and the ports that nobody can come to now.
pub(crate) struct Gate<'a, M = RingPage, S = Granted, B = Ports> {
    pub queues: &'a mut Queues<M, S, B>,
    pub full: Vec<u16>,
    pub introduced: &'a mut Introduced,
    pub claim: &'a mut Claim,
    /// Our addresses.
    pub mac: EthernetAddress,
    pub own: Option<Ipv4Cidr>,
}

impl<M: RingMemory, S: Memory, B: Bell> Wire for Gate<'_, M, S, B> {
    fn mtu(&self) -> usize {
        self.queues.mtu()
    }

    fn offload(&self) -> Offload {
        self.queues.offload()
    }

    fn receive(&mut self) -> Option<Frame> {
        loop {
            if let Some(held) = self.introduced.held.take() {
                return Some(held);
            }
            let frame = self.queues.receive()?;
            self.claim.look(&frame.bytes, self.mac);
            let first = if self.full.is_empty() { None } else { checksum::first_packet(&frame.bytes) };
            if first.is_some_and(|port| self.full.contains(&port)) {
                self.queues.turn_away();
                continue;
            }
            let Some(introduction) = self.introduced.introduce(&frame.bytes, self.own) else { return Some(frame) };
            self.introduced.held = Some(frame);
            return Some(introduction);
        }
    }

    fn unfit(&mut self, why: Unfit) {
        self.queues.unfit(why);
    }

    fn longest_row(&self) -> Option<NonZeroUsize> {
        self.queues.longest_row()
    }

    fn announce_row(&mut self, segment: NonZeroU16) {
        self.queues.announce_row(segment);
    }

    fn can_send(&mut self) -> bool {
        self.queues.can_send()
    }

    fn buffer(&mut self, length: usize) -> Vec<u8> {
        self.queues.buffer(length)
    }

    fn send(&mut self, frame: Vec<u8>, blank: bool) {
        self.queues.send(frame, blank);
    }
}
