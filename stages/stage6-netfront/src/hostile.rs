//! A network backend that does what it likes: what `harness/fuzz` and the tests play against queues and protocols.
//!
//! Bytes decide what both sides do. The backend passes frames of all kinds, whole and in pieces, tells lies about them, writes
//! anywhere into the rings, and changes pages at any time. Whatever it does may cost the interface, and nothing else. As long as it
//! keeps to the rules, what is sent to it has to, too: each frame's parts are as long as they say, no page is in the ring twice, and
//! the ring for frames never runs dry.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};
use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::{dns, tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr};
use xenbus::grants::GrantRef;
use xenbus::hostile::Piece;

use crate::checksum::Offload;
use crate::net::claim::Claim;
use crate::net::gate::{Gate, Introduced};
use crate::netif::SHORTEST;
use crate::pages::{Memory, Pool};
use crate::phy::Phy;
use crate::queue::{Bell, Queue};
use crate::queues::Queues;
use crate::rx::RxHalf;
use crate::shared_ring::RingMemory;
use crate::tx::TxHalf;

/// What happened in a play.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Frames that the protocols got.
    pub received: u64,
    /// Frames that came to the backend.
    pub sent: u64,
    /// Bytes of a connection that came to the application.
    pub echoed: u64,
    /// The interface was given up.
    pub broken: bool,
}

/// What one side does next.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    // This side.
    Work { milliseconds: u16 },
    Connect,
    // The backend, by the rules.
    Take,
    Answer { which: u8, failed: bool },
    Frame { frame: Frame<'a>, checksum: u16, part: u16 },
    // The backend, as it likes.
    WrongId,
    Memory(bool),
    Slots(Piece<'a>),
    Index { ring: bool, which: u8, value: u32 },
    Near { ring: bool, ahead: u8 },
    Poke { ring: bool, word: u16, value: u32 },
    Page { rx: bool, page: u8, place: u16, bytes: Piece<'a> },
}

impl Step<'_> {
    fn breaks_rules(&self) -> bool {
        matches!(self, Step::WrongId | Step::Index { .. } | Step::Poke { .. } | Step::Near { .. } | Step::Slots(_))
    }
}

#[derive(Arbitrary, Debug)]
enum Frame<'a> {
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
enum Segment {
    Data,
    More,
    Last,
    Any { flags: u8, off: i8 },
}

#[derive(Arbitrary, Debug)]
enum Protocol {
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

const SLOTS: u32 = 256;
const OWN: EthernetAddress = EthernetAddress([0, 0x16, 0x3e, 0, 0, 1]);
const PORTS: &[u16] = &[7, 9, 53, 68, 80, 5353, 49152];
const MORE: u16 = 4;

#[derive(Clone)]
struct Ring(Rc<RefCell<Vec<u32>>>);

impl Ring {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(vec![0; 1024])))
    }

    fn place(number: u32, words: usize) -> usize {
        64 + (number % SLOTS) as usize * words * 4
    }
}

impl RingMemory for Ring {
    fn load(&self, offset: usize) -> u32 {
        self.0.borrow()[offset / 4]
    }

    fn store(&self, offset: usize, value: u32) {
        self.0.borrow_mut()[offset / 4] = value;
    }
}

/// Pages that the backend reaches, too. The reference is the number.
#[derive(Clone)]
struct Pages {
    content: Rc<RefCell<Vec<Vec<u8>>>>,
    can_grow: Rc<Cell<bool>>,
}

impl Memory for Pages {
    fn grow(&mut self) -> bool {
        let grows = self.can_grow.get();
        if grows {
            self.content.borrow_mut().push(vec![0; 4096]);
        }
        grows
    }

    fn reference(&self, number: u16) -> GrantRef {
        GrantRef(u32::from(number))
    }

    fn read(&self, number: u16, offset: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.content.borrow()[usize::from(number)][offset..offset + bytes.len()]);
    }

    fn write(&self, number: u16, bytes: &[u8]) {
        self.content.borrow_mut()[usize::from(number)][..bytes.len()].copy_from_slice(bytes);
    }
}

struct Mute;

impl Bell for Mute {
    fn tell_rx(&self) {}

    fn tell_tx(&self) {}
}

#[derive(Clone, Copy, Default)]
struct Connection {
    ports: (u16, u16),
    sequence: u32,
    acknowledged: u32,
    /// The other end has to accept it.
    asks: bool,
}

/// The backend's side.
struct Backend {
    rx: Ring,
    tx: Ring,
    rx_pages: Pages,
    tx_pages: Pages,
    rx_answered: u32,
    tx_taken: u32,
    tx_answered: u32,
    /// What was taken and has no answer yet.
    tx_open: Vec<u32>,
    /// It has broken the rules.
    lied: bool,
    /// In such a way that nobody knows what this side will find.
    scribbled: bool,
    /// It has to be caught.
    caught: bool,
    /// The connections to this side's server, and from its client, as their other end knows them.
    connections: [Connection; 2],
    mtu: usize,
    sent: u64,
}

impl Backend {
    /// Takes all frames that were sent, and looks at them.
    fn take(&mut self) {
        let produced = self.tx.load(0);
        let mut most = SLOTS;
        while self.tx_taken != produced && most > 0 {
            let (mut frame, mut whole) = (Vec::new(), None);
            loop {
                let place = Ring::place(self.tx_taken, 3);
                let [page, flags, id] = std::array::from_fn(|word| self.tx.load(place + 4 * word));
                let (id, size, flags) = (id & 0xffff, (id >> 16) as usize, (flags >> 16) as u16);
                assert!(self.lied || !self.tx_open.contains(&id), "page {id} is sent twice at a time");
                self.tx_open.push(id);
                self.tx_taken = self.tx_taken.wrapping_add(1);
                most -= 1;
                if !self.lied {
                    let part = whole.map_or(size.min(4096), |_| size);
                    whole.get_or_insert(size);
                    assert!(part <= 4096 && page == id, "a part of {part} bytes in page {page}, which is {id}");
                    frame.extend_from_slice(&self.tx_pages.content.borrow()[page as usize][..part]);
                }
                if flags & MORE == 0 || self.tx_taken == produced || most == 0 {
                    break;
                }
            }
            if !self.lied {
                assert_eq!(Some(frame.len()), whole, "a frame is longer than it says");
                assert!((SHORTEST..=self.mtu + SHORTEST).contains(&frame.len()), "a frame of {} bytes", frame.len());
                assert_eq!(frame[6..12], OWN.0, "a frame with another sender");
                self.sent += 1;
                self.look(&frame);
            }
        }
    }

    /// Answers one of them.
    fn answer(&mut self, which: usize, status: u16) {
        let id = self.tx_open.swap_remove(which);
        self.tx.store(Ring::place(self.tx_answered, 3), id | u32::from(status) << 16);
        self.tx_answered = self.tx_answered.wrapping_add(1);
        self.tx.store(8, self.tx_answered);
    }

    /// Answers all of them.
    fn answer_all(&mut self) {
        while !self.tx_open.is_empty() {
            self.answer(self.tx_open.len() - 1, 0);
        }
    }

    /// Follows the connection.
    fn look(&mut self, frame: &[u8]) {
        let is_tcp = frame.len() >= 54 && frame[12..14] == [8, 0] && frame[14] == 0x45 && frame[23] == 6;
        if is_tcp {
            let half = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
            let word = |at: usize| u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
            let data = usize::from(half(16)).saturating_sub(20 + usize::from(frame[46] >> 4) * 4) as u32;
            let signs = u32::from(frame[47] & 1) + u32::from(frame[47] >> 1 & 1);
            let connection = &mut self.connections[usize::from(half(34) != 7)];
            connection.ports = (half(36), half(34));
            connection.acknowledged = word(38).wrapping_add(data + signs);
            connection.asks = frame[47] & 0x10 == 0;
            connection.sequence = if connection.asks { 5000 } else { word(42) };
        }
    }

    /// Whether there is a page for the next frame.
    fn has_page(&self) -> bool {
        self.rx.load(0).wrapping_sub(self.rx_answered) > 0
    }

    /// Passes a frame on, in parts of this size.
    fn give(&mut self, frame: &[u8], checksum: u16, part: usize) {
        let mut parts = frame.chunks(part.clamp(1, 4096)).peekable();
        while let Some(part) = parts.next() {
            if !self.has_page() {
                break;
            }
            let place = Ring::place(self.rx_answered, 2);
            let (id, page) = (self.rx.load(place), self.rx.load(place + 4) as usize);
            if let Some(page) = self.rx_pages.content.borrow_mut().get_mut(page) {
                page[..part.len()].copy_from_slice(part);
            }
            // Where there is no page for the next part the frame is cut.
            let more = if parts.peek().is_some() { MORE } else { 0 };
            self.rx.store(place, id & 0xffff);
            self.rx.store(place + 4, u32::from(checksum & 3 | more) | (part.len() as u32) << 16);
            self.rx_answered = self.rx_answered.wrapping_add(1);
        }
        self.rx.store(8, self.rx_answered);
    }

    fn frame(&self, frame: &Frame<'_>) -> Vec<u8> {
        match *frame {
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
                let Connection { ports, sequence, acknowledged, asks } = self.connections[usize::from(client)];
                let (flags, off) = match *kind {
                    _ if asks => (0x12, 0),
                    Segment::Data | Segment::More => (0x18, 0),
                    Segment::Last => (0x11, 0),
                    Segment::Any { flags, off } => (flags, off),
                };
                let payload = if asks { &[] } else { payload };
                let segment = tcp(ports, sequence.wrapping_add_signed(off.into()), acknowledged, flags, payload);
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

struct Play {
    backend: Backend,
    queues: Queues<Ring, Pages, Mute>,
    face: Interface,
    sockets: SocketSet<'static>,
    server: SocketHandle,
    client: SocketHandle,
    datagrams: SocketHandle,
    introduced: Introduced,
    claim: Claim,
    now: i64,
    pages: usize,
    seen: Seen,
}

/// Plays what these bytes say.
///
/// # Panics
/// If this side does what it must not.
pub fn play(data: &[u8]) -> Seen {
    let mut choices = Unstructured::new(data);
    let pages = choices.int_in_range(1..=SLOTS as u16).unwrap_or(1);
    let gathers = choices.arbitrary().unwrap_or(true);
    let mtu = if gathers && choices.arbitrary().unwrap_or(false) { 9000 } else { 1500 };
    // Half of all backends break no rule: then more is asserted.
    let honest = choices.arbitrary().unwrap_or(true);
    let mut play = Play::new(pages, gathers, mtu);
    while !choices.is_empty() {
        let Ok(step) = choices.arbitrary::<Step<'_>>() else { break };
        if !(honest && step.breaks_rules()) {
            play.step(&step);
        }
    }
    if !play.backend.scribbled {
        play.backend.take();
        play.backend.answer_all();
    }
    play.rounds();
    let counts = play.queues.counts();
    assert_eq!(counts.broken, u64::from(play.queues.is_broken()));
    Seen { received: counts.received, sent: play.backend.sent, broken: play.queues.is_broken(), ..play.seen }
}

impl Play {
    fn new(pages: u16, gathers: bool, mtu: usize) -> Self {
        let shared = || Pages { content: Rc::default(), can_grow: Rc::new(Cell::new(true)) };
        let (rx, tx, rx_pages, tx_pages) = (Ring::new(), Ring::new(), shared(), shared());
        let mut rx_half = RxHalf::new(rx.clone(), Pool::new(rx_pages.clone(), pages));
        let tx_half = TxHalf::new(tx.clone(), Pool::new(tx_pages.clone(), SLOTS as u16), gathers);
        crate::rx::refill(&mut rx_half);
        let mut queues =
            Queues::new(vec![Queue { bell: Mute, rx: rx_half, tx: tx_half }], mtu, Offload { ipv4: true, ipv6: false });

        let mut config = Config::new(HardwareAddress::Ethernet(OWN));
        config.random_seed = 1;
        let mut face = Interface::new(config, &mut Phy(&mut queues), Instant::ZERO);
        face.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(Ipv4Address::new(10, 0, 2, 15), 24)));
        });
        let mut sockets = SocketSet::new(Vec::new());
        let stream = || tcp::Socket::new(tcp::SocketBuffer::new(vec![0; 2048]), tcp::SocketBuffer::new(vec![0; 2048]));
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 2048]);
        let (server, client) = (sockets.add(stream()), sockets.add(stream()));
        let datagrams = sockets.add(udp::Socket::new(buffer(), buffer()));
        let _ = sockets.get_mut::<udp::Socket<'_>>(datagrams).bind(7);
        let server_of_names = [IpAddress::v4(10, 0, 2, 3)];
        let names = sockets.add(dns::Socket::new(&server_of_names, Vec::new()));
        let name = sockets.get_mut::<dns::Socket<'_>>(names).start_query(
            face.context(),
            "stardust.example",
            smoltcp::wire::DnsQueryType::A,
        );
        assert!(name.is_ok());
        let backend = Backend {
            rx,
            tx,
            rx_pages,
            tx_pages,
            rx_answered: 0,
            tx_taken: 0,
            tx_answered: 0,
            tx_open: Vec::new(),
            lied: false,
            scribbled: false,
            caught: false,
            connections: Default::default(),
            sent: 0,
            mtu,
        };
        let (introduced, claim, seen) = Default::default();
        let pages = usize::from(pages);
        let now = 0;
        Self { backend, queues, face, sockets, server, client, datagrams, introduced, claim, now, pages, seen }
    }

    fn step(&mut self, step: &Step<'_>) {
        self.backend.lied |= step.breaks_rules();
        self.make(step);
        self.backend.scribbled |= step.breaks_rules();
        if self.backend.caught {
            self.rounds();
            assert!(self.queues.is_broken(), "a lie was believed");
        }
    }

    /// Takes all that has come: a round takes a limited number of frames.
    fn rounds(&mut self) {
        (0..16).for_each(|_| self.work(1));
    }

    fn make(&mut self, step: &Step<'_>) {
        let backend = &mut self.backend;
        let ring = |tx: bool| if tx { backend.tx.clone() } else { backend.rx.clone() };
        match *step {
            Step::Work { milliseconds } => self.work(milliseconds.into()),
            Step::Connect => {
                let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.client);
                let remote = (IpAddress::v4(10, 0, 2, 2), 80);
                let _ = socket.connect(self.face.context(), remote, 50_000);
            }
            Step::Take => {
                backend.take();
                backend.answer_all();
            }
            Step::Answer { which, failed } => {
                backend.take();
                if let Some(which) = usize::from(which).checked_rem(backend.tx_open.len()) {
                    backend.answer(which, if failed { 0xffff } else { 0 });
                }
            }
            Step::Frame { ref frame, checksum, part } => {
                if matches!(frame, Frame::Next { .. }) {
                    self.work(1);
                    self.backend.take();
                }
                let backend = &mut self.backend;
                let frame = backend.frame(frame);
                // Four in five come in as few parts as they can.
                let part = if part.is_multiple_of(5) { usize::from(part) } else { 4096 };
                backend.give(&frame, checksum, part);
            }
            Step::Memory(there) => {
                backend.rx_pages.can_grow.set(there);
                backend.tx_pages.can_grow.set(there);
            }
            Step::WrongId => {
                if backend.has_page() {
                    let place = Ring::place(backend.rx_answered, 2);
                    backend.rx.store(place, (backend.rx.load(place) ^ 1) & 0xffff);
                    backend.rx.store(place + 4, 60 << 16);
                    backend.rx_answered = backend.rx_answered.wrapping_add(1);
                    backend.rx.store(8, backend.rx_answered);
                    backend.caught |= !backend.scribbled;
                }
            }
            Step::Slots(Piece(bytes)) => {
                for slot in bytes.as_chunks::<8>().0 {
                    let words = slot.as_chunks::<4>().0;
                    let place = Ring::place(backend.rx_answered, 2);
                    backend.rx.store(place, u32::from_le_bytes(words[0]));
                    backend.rx.store(place + 4, u32::from_le_bytes(words[1]));
                    backend.rx_answered = backend.rx_answered.wrapping_add(1);
                }
                backend.rx.store(8, backend.rx_answered);
            }
            Step::Index { ring: tx, which, value } => ring(tx).store(usize::from(which) % 4 * 4, value),
            Step::Near { ring: tx, ahead } => {
                let ring = ring(tx);
                ring.store(8, ring.load(8).wrapping_add(ahead.into()));
                // More answers than requests.
                backend.caught |= !backend.scribbled && ring.load(8).wrapping_sub(ring.load(0)).cast_signed() > 0;
            }
            Step::Poke { ring: tx, word, value } => ring(tx).store(usize::from(word) % 1024 * 4, value),
            Step::Page { rx, page, place, bytes: Piece(bytes) } => {
                let pages = if rx { &backend.rx_pages } else { &backend.tx_pages };
                // It may read what is to be sent, and no more: that is granted for reading.
                let mut pages = pages.content.borrow_mut();
                let count = pages.len();
                if rx && count > 0 {
                    let page = &mut pages[usize::from(page) % count];
                    let place = usize::from(place) % 4096;
                    let count = bytes.len().min(4096 - place);
                    page[place..place + count].copy_from_slice(&bytes[..count]);
                }
            }
        }
    }

    /// What an interface's thread does in a round, and then what an application does.
    fn work(&mut self, milliseconds: i64) {
        self.now += milliseconds;
        let now = Instant::from_millis(self.now);
        let own = Some(Ipv4Cidr::new(Ipv4Address::new(10, 0, 2, 15), 24));
        self.face.poll_maintenance(now);
        for _ in 0..64 {
            let (queues, introduced, claim) = (&mut self.queues, &mut self.introduced, &mut self.claim);
            let mut gate = Gate { queues, full: vec![9], introduced, claim, mac: OWN, own };
            let result = self.face.poll_ingress_single(now, &mut Phy(&mut gate), &mut self.sockets);
            if result == PollIngressSingleResult::None {
                break;
            }
        }
        let device = &mut Phy(&mut self.queues);
        while self.face.poll_egress(now, device, &mut self.sockets) == PollResult::SocketStateChanged {}
        let _ = self.queues.settle();
        self.echo();

        let (rx, tx) = self.queues.offered();
        assert!(rx <= SLOTS as usize && tx <= SLOTS as usize, "{rx} and {tx} pages are in rings of {SLOTS}");
        if !self.queues.is_broken() && self.backend.rx_pages.can_grow.get() {
            assert_eq!(rx, self.pages, "the ring for frames is not full");
        }
        if !self.backend.lied {
            assert!(!self.queues.is_broken(), "the interface was given up without a reason");
            self.check_offered();
        }
    }

    /// No page is offered twice, and each under the id that it has to have.
    fn check_offered(&self) {
        let backend = &self.backend;
        let mut pages = BTreeSet::new();
        let mut number = backend.rx_answered;
        while number != backend.rx.load(0) {
            let place = Ring::place(number, 2);
            assert_eq!(backend.rx.load(place) & 0xffff, number % SLOTS, "the id of a page");
            let page = backend.rx.load(place + 4);
            assert!((page as usize) < backend.rx_pages.content.borrow().len(), "a page that isn't there");
            assert!(pages.insert(page), "page {page} is offered twice");
            number = number.wrapping_add(1);
        }
    }

    fn echo(&mut self) {
        for handle in [self.server, self.client] {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
            if !socket.is_open() && handle == self.server {
                let _ = socket.listen(7);
            }
            let mut bytes = [0; 512];
            while socket.can_recv() && socket.can_send() {
                let Ok(count) = socket.recv_slice(&mut bytes) else { break };
                let _ = socket.send_slice(&bytes[..count]);
                self.seen.echoed += count as u64;
            }
            if socket.state() == tcp::State::CloseWait {
                socket.close();
            }
        }
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.datagrams);
        let mut bytes = [0; 2048];
        while socket.can_send()
            && let Ok((count, from)) = socket.recv_slice(&mut bytes)
        {
            let _ = socket.send_slice(&bytes[..count], from);
        }
    }
}
