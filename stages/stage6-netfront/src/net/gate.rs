//! An interface that loses some first packets on purpose.
//!
//! smoltcp refuses a connection to a port at which no socket listens at this moment. A listener whose backlog is full is no
//! reason to refuse: whoever gets no answer tries again a little later. So his packet is dropped here.
//!
//! Invariant: while no listener is full, nothing is looked at.

use alloc::vec::Vec;

use crate::checksum::{self, Offload};
use crate::phy::{Unfit, Wire};
use crate::queue::Queues;
use crate::rx::Frame;

/// An interface, and the ports that nobody can come to now.
pub(super) struct Gate<'a> {
    pub queues: &'a mut Queues,
    pub full: Vec<u16>,
}

impl Wire for Gate<'_> {
    fn mtu(&self) -> usize {
        self.queues.mtu()
    }

    fn offload(&self) -> Offload {
        self.queues.offload()
    }

    fn receive(&mut self) -> Option<Frame> {
        loop {
            let frame = self.queues.receive()?;
            let first = if self.full.is_empty() { None } else { checksum::first_packet(&frame.bytes) };
            if !first.is_some_and(|port| self.full.contains(&port)) {
                return Some(frame);
            }
        }
    }

    fn unfit(&mut self, why: Unfit) {
        self.queues.unfit(why);
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
