//! Several segments of TCP as one frame.
//!
//! Each frame costs both sides the same, however long it is. A backend that has said `feature-gso-tcpv4` takes a *row* of segments that follow one
//! another as one frame, with one header and a slot that tells how much data is in each (`XEN_NETIF_EXTRA_TYPE_GSO`). Within this machine the row
//! stays one frame all the way; whoever puts it on a wire cuts it. smoltcp makes such rows, if its device can send them. It takes none,
//! so those that come are cut here.
//!
//! Invariant: the segments of a row together hold its data, and none is longer than a frame of the interface.

use alloc::vec::Vec;
use core::ops::Range;

use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket};

use crate::netif::SHORTEST;
use crate::rx::{Checksum, Frame};

/// The flags that only a row's last segment has: FIN and PSH.
const LAST: u8 = 0x09;

/// A row that has come, cut into its segments.
pub struct Cut {
    frame: Vec<u8>,
    /// Where the header of TCP begins.
    tcp: usize,
    /// Where it ends, and the data begin.
    header: usize,
    /// The data that are still to come.
    rest: Range<usize>,
    /// The most data in a segment.
    size: usize,
}

impl Cut {
    /// Of a frame that is longer than those of an interface with this MTU, if it holds a row and need not be verified.
    ///
    /// # Errors
    /// Otherwise the frame, as it was.
    pub fn new(frame: Frame, mtu: usize) -> Result<Self, Frame> {
        let most = mtu + SHORTEST;
        if frame.bytes.len() <= most || frame.checksum == Checksum::Unknown {
            return Err(frame);
        }
        match headers(&frame.bytes) {
            Some((tcp, header)) if header < most => {
                let rest = header..frame.bytes.len();
                Ok(Self { frame: frame.bytes, tcp, header, rest, size: most - header })
            }
            _ => Err(frame),
        }
    }
}

// ANCHOR: cut
/// The segments. Where there is no memory for one, the others are gone, too.
impl Iterator for Cut {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let start = self.rest.start;
        let count = self.size.min(self.rest.len());
        let mut bytes = Vec::new();
        if count == 0 || bytes.try_reserve_exact(self.header + count).is_err() {
            self.rest = 0..0;
            return None;
        }
        bytes.extend_from_slice(&self.frame[..self.header]);
        bytes.extend_from_slice(&self.frame[start..start + count]);
        self.rest.start += count;

        let length = (bytes.len() - SHORTEST) as u16;
        let mut ip = Ipv4Packet::new_unchecked(&mut bytes[SHORTEST..]);
        ip.set_total_len(length);
        ip.fill_checksum();
        let mut segment = TcpPacket::new_unchecked(&mut bytes[self.tcp..]);
        segment.set_seq_number(segment.seq_number() + (start - self.header));
        if !self.rest.is_empty() {
            bytes[self.tcp + 13] &= !LAST;
        }
        Some(Frame { bytes, checksum: Checksum::Valid })
    }
}
// ANCHOR_END: cut

/// Where the header of TCP begins and ends in a frame that holds data of it, over IPv4, and nothing that a row can't have.
fn headers(frame: &[u8]) -> Option<(usize, usize)> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    let is_whole = !ip.more_frags() && ip.frag_offset() == 0 && SHORTEST + usize::from(ip.total_len()) == frame.len();
    if !is_whole || ip.next_header() != IpProtocol::Tcp {
        return None;
    }
    let segment = TcpPacket::new_checked(ip.payload()).ok()?;
    let is_plain = segment.ack() && !segment.syn() && !segment.rst() && !segment.urg();
    let tcp = SHORTEST + usize::from(ip.header_len());
    is_plain.then_some((tcp, tcp + usize::from(segment.header_len())))
}
