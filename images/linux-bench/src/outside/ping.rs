//! An echo of ICMP (RFC 792), there and back.

use crate::{SAMPLES, ticks};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, connect, ipproto, recv, send, socket, sockopt};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// As many as `ping` sends.
const DATA: usize = 56;
const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST: u8 = 8;
const REPLY: u8 = 0;

/// Ticks of each of some round trips.
pub fn round_trips(address: Ipv4Addr) -> io::Result<Vec<u64>> {
    let socket = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))?;
    connect(&socket, &SocketAddrV4::new(address, 0))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    let sample = |number| {
        let message = message(number);
        let mut packet = [0; 1500];
        let begin = ticks();
        send(&socket, &message, SendFlags::empty())?;
        loop {
            let (count, _) = recv(&socket, &mut packet, RecvFlags::empty())?;
            let end = ticks();
            // The IP header comes with it, and whatever else the guest says.
            let header = usize::from(packet[0] & 15) * 4;
            let reply = packet[..count].get(header..).unwrap_or_default();
            if reply.first() == Some(&REPLY) && reply.get(4..) == Some(&message[4..]) {
                return Ok(end - begin);
            }
        }
    };
    (0..SAMPLES as u16).map(sample).collect()
}

/// An echo request of this number.
fn message(number: u16) -> [u8; 8 + DATA] {
    let mut message = [0; 8 + DATA];
    message[0] = REQUEST;
    message[4..6].copy_from_slice(b"SD");
    message[6..8].copy_from_slice(&number.to_be_bytes());
    for (index, byte) in message[8..].iter_mut().enumerate() {
        *byte = index as u8;
    }
    let words = message.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !(folded + (folded >> 16)) as u16;
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}
