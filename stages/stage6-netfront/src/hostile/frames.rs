//! The frames that a hostile backend passes.

use std::vec;
use std::vec::Vec;

use arbitrary::Arbitrary;
use xenbus::hostile::Piece;

use super::OWN;

const PORTS: &[u16] = &[7, 9, 53, 68, 80, 5353, 49152];

#[derive(Arbitrary, Debug)]
pub(super) enum Frame<'a> {
    Raw(Piece<'a>),
    Arp {
        operation: u8,
        sender: u8,
        target: u8,
    },
    Ip {
        protocol: Protocol,
        sender: u8,
        fragment: u16,
        payload: Piece<'a>,
    },
    /// The first segment of a connection, and the next one.
    Begin,
    Next {
        client: bool,
        kind: Segment,
        payload: Piece<'a>,
    },
    Ip6(Piece<'a>),
}

#[derive(Arbitrary, Debug)]
pub(super) enum Segment {
    Data,
    More,
    Last,
    Any { flags: u8, off: i8 },
}

#[derive(Arbitrary, Debug)]
pub(super) enum Protocol {
    /// With so many bytes more.
    Ping(u16),
    Icmp(u8),
    Udp(u8),
    Tcp {
        port: u8,
        flags: u8,
    },
    Other(u8),
}

/// A connection, as its other end knows it.
#[derive(Clone, Copy, Default)]
pub(super) struct Connection {
    pub(super) ports: (u16, u16),
    pub(super) sequence: u32,
    pub(super) acknowledged: u32,
    /// The other end has to accept it.
    pub(super) asks: bool,
}

impl Frame<'_> {
    /// Its bytes. The connections are those to this side's server, and from its client.
    pub(super) fn bytes(&self, connections: &[Connection; 2]) -> Vec<u8> {
        match *self {
            Frame::Raw(Piece(bytes)) => bytes.into(),
            Frame::Arp { operation, sender, target } => {
                let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
                packet.extend([2, 0, 0, 0, 0, sender, 10, 0, 2, sender]);
                packet.extend([0, 0x16, 0x3e, 0, 0, 1, 10, 0, 2, target]);
                ethernet(sender, [8, 6], &packet)
            }
            Frame::Ip { ref protocol, sender, fragment, payload: Piece(payload) } => {
                let port = |number: u8| PORTS[usize::from(number) % PORTS.len()];
                let (number, segment) = match *protocol {
                    Protocol::Ping(more) => {
                        let more = if more.is_multiple_of(4) { usize::from(more) % 8900 } else { 0 };
                        (1, icmp(8, &[payload, &vec![0; more]].concat()))
                    }
                    Protocol::Icmp(kind) => (1, icmp(kind, payload)),
                    Protocol::Udp(number) => {
                        let length = 8 + payload.len() as u16;
                        let header = [port(sender), port(number), length, 0].map(u16::to_be_bytes);
                        (17, [header.as_flattened(), payload].concat())
                    }
                    Protocol::Tcp { port: number, flags } => (6, tcp((4000, port(number)), 1000, 0, flags, payload)),
                    Protocol::Other(number) => (number, payload.into()),
                };
                // Three in four are no fragments.
                let fragment = if fragment.is_multiple_of(4) { fragment / 4 } else { 0 };
                ethernet(sender, [8, 0], &ip(number, sender, fragment, &segment))
            }
            Frame::Begin => ethernet(2, [8, 0], &ip(6, 2, 0, &tcp((4000, 7), 1000, 0, 2, &[]))),
            Frame::Next { client, ref kind, payload: Piece(payload) } => {
                let Connection { ports, sequence, acknowledged, asks } = connections[usize::from(client)];
                let (flags, off) = match *kind {
                    _ if asks => (0x12, 0),
                    Segment::Data | Segment::More => (0x18, 0),
                    Segment::Last => (0x11, 0),
                    Segment::Any { flags, off } => (flags, off),
                };
                let payload = match *kind {
                    _ if asks => Vec::new(),
                    // Several segments as one.
                    Segment::More => payload.repeat(5000 / payload.len().max(1)),
                    _ => payload.into(),
                };
                let segment = tcp(ports, sequence.wrapping_add_signed(off.into()), acknowledged, flags, &payload);
                ethernet(2, [8, 0], &ip(6, 2, 0, &segment))
            }
            Frame::Ip6(Piece(bytes)) => ethernet(2, [0x86, 0xdd], bytes),
        }
    }
}

fn ethernet(sender: u8, kind: [u8; 2], packet: &[u8]) -> Vec<u8> {
    [&OWN.0[..], &[2, 0, 0, 0, 0, sender], &kind, packet].concat()
}

fn ip(protocol: u8, sender: u8, fragment: u16, segment: &[u8]) -> Vec<u8> {
    let length = (20 + segment.len() as u16).to_be_bytes();
    let fragment = fragment.to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1], 0, 7, fragment[0], fragment[1], 64, protocol, 0, 0];
    header.extend([10, 0, 2, sender, 10, 0, 2, 15]);
    let sum = sum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    [header, segment.into()].concat()
}

fn icmp(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = [&[kind, 0, 0, 0], payload].concat();
    let sum = sum(&packet).to_be_bytes();
    packet[2..4].copy_from_slice(&sum);
    packet
}

fn tcp((from, to): (u16, u16), sequence: u32, acknowledged: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = [from.to_be_bytes(), to.to_be_bytes()].concat();
    header.extend(sequence.to_be_bytes());
    header.extend(acknowledged.to_be_bytes());
    header.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    [&header, payload].concat()
}

/// RFC 1071.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
