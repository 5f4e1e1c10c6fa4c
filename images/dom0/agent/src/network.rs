//! Raw Ethernet frames on dom0's interfaces: captured and injected through packet sockets (packet(7)).
//!
//! Invariant: a capture reports each frame whole, in order, until it is stopped; it never holds back the network.

use crate::{locked, port::Port, tool};
use agent::{Event, FromAgent};
use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netdevice, recvfrom, send,
};
use rustix::net::{SocketAddrAny, socket_with, sockopt};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ETH_P_ALL: u16 = 3;
const PACKET_OUTGOING: u8 = 4;

/// The captures that run.
pub struct Captures {
    port: Arc<Port>,
    running: Mutex<HashMap<u64, Arc<AtomicBool>>>,
}

impl Captures {
    /// None yet; their frames go to `port`.
    pub fn new(port: Arc<Port>) -> Self {
        Self { port, running: Mutex::default() }
    }

    /// Begins to report an interface's frames; the number is in its events.
    pub fn start(&self, interface: &str) -> Result<u64, String> {
        let fail = |error: Errno| format!("capture on {interface}: {error}");
        let socket = open(interface, ETH_P_ALL).map_err(fail)?;
        // So that the thread notices its end.
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(Duration::from_millis(200))).map_err(fail)?;
        // A bridge shows frames that pass through it only to those who ask for all.
        ip(&["link", "set", "dev", interface, "promisc", "on"])?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = locked(&self.running);
        let capture = running.keys().max().map_or(1, |last| last + 1);
        running.insert(capture, stop.clone());
        let port = self.port.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 66 << 10];
            while !stop.load(Ordering::Relaxed) {
                match recvfrom(&socket, &mut buffer[..], RecvFlags::empty()) {
                    Ok((_, count, from)) => {
                        let sent = from.is_some_and(|from| packet_type(&from) == PACKET_OUTGOING);
                        let bytes = buffer[..count].to_vec();
                        port.send(&FromAgent::Event(Event::Frame { capture, sent, bytes }));
                    }
                    // A link that is down for a while is part of what is tested.
                    Err(Errno::AGAIN | Errno::INTR | Errno::NETDOWN) => {}
                    Err(_) => return,
                }
            }
        });
        Ok(capture)
    }

    /// Ends a capture.
    pub fn stop(&self, capture: u64) -> Result<(), String> {
        let stop = locked(&self.running).remove(&capture).ok_or_else(|| format!("there is no capture {capture}"))?;
        stop.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Sends one frame out of an interface.
pub fn inject(interface: &str, frame: &[u8]) -> Result<(), String> {
    let sent = open(interface, 0).and_then(|socket| send(&socket, frame, SendFlags::empty()));
    sent.map(drop).map_err(|error| format!("send {} bytes on {interface}: {error}", frame.len()))
}

/// Sets an interface up or down.
pub fn set_link(interface: &str, up: bool) -> Result<(), String> {
    ip(&["link", "set", "dev", interface, if up { "up" } else { "down" }])
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let argv: Vec<String> = ["ip"].iter().chain(arguments).map(|&word| word.to_owned()).collect();
    let output = tool::run(&argv, &[], Instant::now() + Duration::from_secs(10))?;
    match output.status {
        0 => Ok(()),
        _ => Err(format!("{}: {}", argv.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// A packet socket on an interface that receives the frames of `protocol`; none for 0.
fn open(interface: &str, protocol: u16) -> Result<OwnedFd, Errno> {
    let wire = protocol.to_be();
    let kind = NonZeroU32::new(u32::from(wire)).map(Protocol::from_raw);
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, kind)?;
    let index = netdevice::name_to_index(&socket, interface)?;
    bind(
        &socket,
        &LinkAddress { family: AddressFamily::PACKET.as_raw(), protocol: wire, index, ..Default::default() },
    )?;
    Ok(socket)
}

/// `struct sockaddr_ll` (linux/if_packet.h).
#[repr(C)]
#[derive(Default)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    index: u32,
    hardware: u16,
    packet_type: u8,
    address_length: u8,
    address: [u8; 8],
}

// SAFETY: the pointer is to a whole `sockaddr_ll`, which lives until `f` returns.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(std::ptr::from_ref(self).cast(), size_of::<Self>() as SocketAddrLen)
    }
}

/// Whether a frame came in or went out, and how: PACKET_*.
fn packet_type(from: &SocketAddrAny) -> u8 {
    if (from.addr_len() as usize) < std::mem::offset_of!(LinkAddress, address) {
        return 0;
    }
    // SAFETY: the address is as long as the field needs, and `LinkAddress` has the kernel's layout.
    unsafe { (*from.as_ptr().cast::<LinkAddress>()).packet_type }
}
