//! A machine of our own on a guest's network: it sees what leaves the interface, and puts frames into it. Its protocols are smoltcp's.
//!
//! QEMU answers for every machine that isn't there, as a router for the rest of the world would. So its cable is pulled meanwhile, and
//! no forwarded port leads anywhere.

use super::{PATIENCE, in_dom0};
use harness::domain::Domain;
use harness::machine::{Event, Machine};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant as Moment;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// The address of all such machines: nobody else's.
pub const PEER: [u8; 6] = [2, 0, 0, 0, 0, 0x77];

/// The cable, of which dom0 holds the other end.
pub struct Cable<'a> {
    machine: &'a Machine,
    vif: String,
    capture: u64,
    /// Frames of the guest's that nobody has looked at yet.
    coming: VecDeque<Vec<u8>>,
}

/// The machine.
pub struct Peer<'a> {
    pub cable: Cable<'a>,
    face: Interface,
    pub sockets: SocketSet<'static>,
    /// All frames of the guest's, if they are kept.
    pub seen: Option<Vec<Vec<u8>>>,
}

impl Cable<'_> {
    /// Puts a frame into the guest's interface.
    pub fn put(&self, frame: &[u8]) {
        self.machine.agent().inject(&self.vif, frame).unwrap();
    }
}

impl Drop for Cable<'_> {
    fn drop(&mut self) {
        let agent = self.machine.agent();
        let _ = agent.stop_capture(self.capture);
        let _ = agent.exec(&["ip", "link", "set", "eth0", "up"], b"");
    }
}

impl<'a> Peer<'a> {
    /// A machine with these addresses on the guest's first interface.
    pub fn new(machine: &'a Machine, domain: &Domain<'_>, addresses: &[IpCidr]) -> Self {
        let vif = format!("vif{}.0", domain.id());
        in_dom0(machine, "ip link set eth0 down");
        let capture = machine.agent().capture(&vif).unwrap();
        let mut cable = Cable { machine, vif, capture, coming: VecDeque::new() };
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(PEER)));
        let mut face = Interface::new(config, &mut cable, Moment::now());
        face.update_ip_addrs(|known| addresses.iter().for_each(|address| known.push(*address).unwrap()));
        Self { cable, face, sockets: SocketSet::new(Vec::new()), seen: None }
    }

    /// A socket at this port.
    pub fn udp(&mut self, port: u16) -> SocketHandle {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 64 << 10]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).unwrap();
        self.sockets.add(socket)
    }

    /// Begins a connection from this port of ours.
    pub fn connect(&mut self, handle: SocketHandle, remote: (Ipv4Addr, u16), local: u16) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.connect(self.face.context(), remote, local).unwrap();
    }

    /// Lives until `enough` says so, which is asked after each frame and now and then. What the domain prints goes where it belongs.
    #[track_caller]
    pub fn live(&mut self, domain: &mut Domain<'_>, mut enough: impl FnMut(&mut Self, &Domain<'_>) -> bool) {
        let begun = Instant::now();
        loop {
            self.face.poll(Moment::now(), &mut self.cable, &mut self.sockets);
            if enough(self, domain) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE * 2, "it never came to be so; the guest has said:\n{}", domain.text());
            match self.cable.machine.agent().events().next(Duration::from_millis(20)).unwrap() {
                Some(Event::Frame { capture, sent: false, bytes }) if capture == self.cable.capture => {
                    if let Some(seen) = &mut self.seen {
                        seen.push(bytes.clone());
                    }
                    self.cable.coming.push_back(bytes);
                }
                Some(Event::Console { domain: name, bytes }) if name == domain.name() => domain.console.extend(bytes),
                _ => {}
            }
        }
    }
}

impl<'a> Device for Cable<'a> {
    type RxToken<'t>
        = Coming
    where
        Self: 't;
    type TxToken<'t>
        = Going<'t, 'a>
    where
        Self: 't;

    fn receive(&mut self, _: Moment) -> Option<(Coming, Going<'_, 'a>)> {
        let frame = self.coming.pop_front()?;
        Some((Coming(frame), Going(self)))
    }

    fn transmit(&mut self, _: Moment) -> Option<Going<'_, 'a>> {
        Some(Going(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        // A frame that has not left the machine has none.
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities.checksum.udp = Checksum::Tx;
        capabilities
    }
}

pub struct Coming(Vec<u8>);

impl RxToken for Coming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub struct Going<'t, 'a>(&'t mut Cable<'a>);

impl TxToken for Going<'_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0.put(&frame);
        result
    }
}
