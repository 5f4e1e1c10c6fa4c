//! A network backend that does what it likes: what `harness/fuzz` and the tests play against queues and protocols.
//!
//! Bytes decide what both sides do. The backend passes frames of all kinds, whole and in pieces, tells lies about them, writes
//! anywhere into the rings, and changes pages at any time. Whatever it does may cost the interface, and nothing else. As long as it
//! keeps to the rules, what is sent to it has to, too: each frame's parts are as long as they say, no page is in the ring twice, and
//! the ring for frames never runs dry.

mod backend;
mod frames;

use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};
use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::{dns, tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr};
use xenbus::hostile::Piece;

use self::backend::{Backend, Mute, Pages, Ring};
use self::frames::Frame;
use crate::checksum::Offload;
use crate::net::claim::Claim;
use crate::net::gate::{Gate, Introduced};
use crate::pages::Pool;
use crate::phy::Phy;
use crate::queue::Queue;
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
    /// Those of them that held several segments.
    pub rows: u64,
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

const SLOTS: u32 = 256;
const OWN: EthernetAddress = EthernetAddress([0, 0x16, 0x3e, 0, 0, 1]);
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
    let rows = gathers && choices.arbitrary().unwrap_or(false);
    let mut play = Play::new(pages, gathers, mtu, rows);
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
    Seen {
        received: counts.received,
        sent: play.backend.sent,
        rows: play.backend.rows,
        broken: play.queues.is_broken(),
        ..play.seen
    }
}

impl Play {
    fn new(pages: u16, gathers: bool, mtu: usize, rows: bool) -> Self {
        let backend = Backend::new(mtu);
        let mut rx_half = RxHalf::new(backend.rx.clone(), Pool::new(backend.rx_pages.clone(), pages));
        let tx_half = TxHalf::new(backend.tx.clone(), Pool::new(backend.tx_pages.clone(), SLOTS as u16), gathers);
        crate::rx::refill(&mut rx_half);
        let mut queues =
            Queues::new(vec![Queue { bell: Mute, rx: rx_half, tx: tx_half }], mtu, Offload { ipv4: true, ipv6: false })
                .with_rows(rows);

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
                let frame = frame.bytes(&backend.connections);
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
