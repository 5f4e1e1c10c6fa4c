//! Checksums of TCP and UDP: verified where nobody has, and left to somebody else where he offers.
//!
//! Follows RFC 9293 section 3.1, RFC 768 and RFC 8200 section 8.1: the sum, in ones' complement, of the segment's 16-bit words and
//! of a *pseudo header* of both addresses, the protocol and the length. Within one machine nobody has to compute it, as nothing can
//! be damaged on the way: the field then holds the sum of the pseudo header alone, and the frame is marked as blank. Whoever
//! puts it on a wire completes it.
//!
//! Invariant: fragments are left as they are; they hold no whole segment.

use core::ops::Range;

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket,
};

/// For which protocols the backend computes checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offload {
    /// TCP and UDP over IPv4.
    pub ipv4: bool,
    /// The same over IPv6.
    pub ipv6: bool,
}

/// A segment in a frame.
struct Segment {
    source: IpAddress,
    destination: IpAddress,
    protocol: IpProtocol,
    range: Range<usize>,
}

/// Whether the checksum of a frame's segment is right. What holds no segment of TCP or UDP has none that could be wrong.
pub fn verify(frame: &[u8]) -> bool {
    let Some(segment) = find(frame) else { return true };
    let bytes = &frame[segment.range];
    match segment.protocol {
        IpProtocol::Tcp => TcpPacket::new_checked(bytes)
            .is_ok_and(|packet| packet.verify_checksum(&segment.source, &segment.destination)),
        _ => UdpPacket::new_checked(bytes)
            .is_ok_and(|packet| packet.verify_checksum(&segment.source, &segment.destination)),
    }
}

/// The port that a frame wants to begin a connection with: it holds the first packet of one.
pub fn first_packet(frame: &[u8]) -> Option<u16> {
    let segment = find(frame).filter(|segment| segment.protocol == IpProtocol::Tcp)?;
    let packet = TcpPacket::new_checked(&frame[segment.range]).ok()?;
    (packet.syn() && !packet.ack()).then(|| packet.dst_port())
}

/// Fills in the checksum of a frame's segment, or, where it is left to the backend, the sum of the pseudo header. Returns
/// whether it is left.
pub fn finish(frame: &mut [u8], offload: Offload) -> bool {
    let Some(segment) = find(frame) else { return false };
    let left = match segment.source {
        IpAddress::Ipv4(_) => offload.ipv4,
        IpAddress::Ipv6(_) => offload.ipv6,
    };
    let pseudo = pseudo_header(&segment);
    let bytes = &mut frame[segment.range];
    match segment.protocol {
        IpProtocol::Tcp => {
            let Ok(mut packet) = TcpPacket::new_checked(bytes) else { return false };
            if left {
                packet.set_checksum(pseudo);
            } else {
                packet.fill_checksum(&segment.source, &segment.destination);
            }
        }
        _ => {
            let Ok(mut packet) = UdpPacket::new_checked(bytes) else { return false };
            if left {
                packet.set_checksum(pseudo);
            } else {
                packet.fill_checksum(&segment.source, &segment.destination);
            }
        }
    }
    left
}

/// The segment of TCP or UDP in a frame, if it holds a whole one.
fn find(frame: &[u8]) -> Option<Segment> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let start = EthernetFrame::<&[u8]>::header_len();
    let (source, destination, protocol, range) = match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => {
            let packet = Ipv4Packet::new_checked(&frame[start..]).ok()?;
            if packet.more_frags() || packet.frag_offset() != 0 {
                return None;
            }
            let range = start + usize::from(packet.header_len())..start + usize::from(packet.total_len());
            (packet.src_addr().into(), packet.dst_addr().into(), packet.next_header(), range)
        }
        EthernetProtocol::Ipv6 => {
            let packet = Ipv6Packet::new_checked(&frame[start..]).ok()?;
            let end = start + packet.total_len();
            let (protocol, at) = skip_options(packet.next_header(), &frame[..end], start + packet.header_len())?;
            (packet.src_addr().into(), packet.dst_addr().into(), protocol, at..end)
        }
        _ => return None,
    };
    let known = matches!(protocol, IpProtocol::Tcp | IpProtocol::Udp) && range.start <= range.end;
    known.then_some(Segment { source, destination, protocol, range })
}

/// Goes on behind the headers of IPv6 that only hold options.
fn skip_options(mut protocol: IpProtocol, packet: &[u8], mut at: usize) -> Option<(IpProtocol, usize)> {
    while matches!(protocol, IpProtocol::HopByHop | IpProtocol::Ipv6Opts | IpProtocol::Ipv6Route) {
        let header = packet.get(at..at + 2)?;
        protocol = IpProtocol::from(header[0]);
        at += (usize::from(header[1]) + 1) * 8;
    }
    Some((protocol, at))
}

fn pseudo_header(segment: &Segment) -> u16 {
    let mut sum = u32::from(u8::from(segment.protocol)) + segment.range.len() as u32;
    let mut add = |bytes: &[u8]| {
        for pair in bytes.chunks_exact(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
        }
    };
    for address in [segment.source, segment.destination] {
        match address {
            IpAddress::Ipv4(address) => add(&address.octets()),
            IpAddress::Ipv6(address) => add(&address.octets()),
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
