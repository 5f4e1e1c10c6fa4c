//! An echo of ICMP (RFC 792), there and back: how long each takes, and whether one of very many is lost.

use crate::{SAMPLES, ticks};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, connect, ipproto, recv, send, socket, sockopt};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// As many as `ping` sends.
const DATA: usize = 56;
/// So many are under way at a time when they come as a flood: no more than a guest's ring has room for, and dom0's socket.
const MOST: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST: u8 = 8;
const REPLY: u8 = 0;

/// Ticks of each of some round trips.
pub fn round_trips(address: Ipv4Addr) -> io::Result<Vec<u64>> {
    let echo = Echo::new(address)?;
    let sample = |number| {
        let begin = ticks();
        echo.send(number)?;
        while echo.receive()? != number {}
        Ok(ticks() - begin)
    };
    (0..SAMPLES as u64).map(sample).collect()
}

/// Sends so many, many at a time. Each has to come back, and once.
pub fn flood(address: &str, count: &str) -> Result<(), String> {
    let address = address.parse().map_err(|error| format!("{address}: {error}"))?;
    let count: u64 = count.parse().map_err(|error| format!("{count}: {error}"))?;
    let echo = Echo::new(address).map_err(|error| error.to_string())?;
    let (mut sent, mut under_way) = (0, BTreeSet::new());
    while sent < count || !under_way.is_empty() {
        while sent < count && under_way.len() < MOST {
            echo.send(sent).map_err(|error| format!("ping {sent}: {error}"))?;
            under_way.insert(sent);
            sent += 1;
        }
        match echo.receive() {
            Ok(number) if under_way.remove(&number) => {}
            Ok(number) => return Err(format!("ping {number} came back twice")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(format!("of {sent} pings, {} were lost: {under_way:?}", under_way.len()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    println!("{count} pings came back");
    Ok(())
}

/// Where echoes are asked for, and come.
struct Echo(OwnedFd);

impl Echo {
    fn new(address: Ipv4Addr) -> io::Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))?;
        connect(&socket, &SocketAddrV4::new(address, 0))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok(Self(socket))
    }

    fn send(&self, number: u64) -> io::Result<()> {
        Ok(send(&self.0, &message(number), SendFlags::empty()).map(drop)?)
    }

    /// The number of the next reply that is as it was asked for. Whatever else the guest says is passed over.
    fn receive(&self) -> io::Result<u64> {
        loop {
            let mut packet = [0; 1500];
            let (count, _) = recv(&self.0, &mut packet, RecvFlags::empty())?;
            // The IP header comes with it.
            let header = usize::from(packet[0] & 15) * 4;
            let reply = packet[..count].get(header..).unwrap_or_default();
            let Some(number) = reply.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes) else {
                continue;
            };
            if reply[0] == REPLY && reply[4..] == message(number)[4..] {
                return Ok(number);
            }
        }
    }
}

/// An echo request of this number.
fn message(number: u64) -> [u8; 8 + DATA] {
    let mut message = [0; 8 + DATA];
    message[0] = REQUEST;
    message[4..6].copy_from_slice(b"SD");
    message[6..8].copy_from_slice(&(number as u16).to_be_bytes());
    message[8..16].copy_from_slice(&number.to_be_bytes());
    for (index, byte) in message[16..].iter_mut().enumerate() {
        *byte = index as u8;
    }
    let words = message.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !(folded + (folded >> 16)) as u16;
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}
