//! Checks of exercise 6d: an interface that notes each call; then a real one, under smoltcp.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use console::bedrock::{List, Record, Reporter};
use fastrand::Rng;
use netfront::checksum::Offload;
use netfront::phy::{self, Phy, Unfit, Wire};
use netfront::rx::{Checksum, Frame};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::live_link::LiveLink;
use super::{bytes, digest};

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("6d.capabilities", capabilities);
    reporter.check("6d.receive", receive);
    reporter.check("6d.send", send);
    reporter.check("6d.dom0", dom0);
}

/// What smoltcp is told.
///
/// Draws: `mtu = rng.usize(576..=9000)`, after 1500. Records: `mtu`, `frame`, `medium`, `burst`, and for each protocol what smoltcp does with its
/// checksums.
fn capabilities(rng: &mut Rng, record: &Record) {
    for mtu in [1500, rng.usize(576..=9000)] {
        let told = phy::capabilities(&NotedWire { mtu, ..NotedWire::default() });
        let (frame, medium, burst) = (told.max_transmission_unit, told.medium, told.max_burst_size.is_some());
        record.saw(format_args!("mtu={mtu} frame={frame} medium={medium:?} burst={burst}"));
        let sums = &told.checksum;
        record.saw(format_args!(
            "tcp={:?} udp={:?} ipv4={:?} icmpv4={:?} icmpv6={:?}",
            sums.tcp, sums.udp, sums.ipv4, sums.icmpv4, sums.icmpv6
        ));
    }
}

/// A frame with a datagram of UDP, from 10.1.2.3 port 1000 to 10.3.2.1 port 2000, without a checksum.
fn datagram(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 6, 8, 0]);
    let length = |bytes: usize| (bytes as u16).to_be_bytes();
    frame.extend([0x45, 0]);
    frame.extend(length(28 + payload.len()));
    frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, 1, 2, 3, 10, 3, 2, 1]);
    frame.extend(1000_u16.to_be_bytes());
    frame.extend(2000_u16.to_be_bytes());
    frame.extend(length(8 + payload.len()));
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// Frames that are fit to be seen, and others.
///
/// Draws: `mtu = rng.usize(600..=2000)`; an order of the cases, by `rng.shuffle`; for each `payload`, of `rng.usize(1..=400)` bytes, or as many as the
/// case says.
/// Cases: `short` (13 bytes of a frame), `least` (14), `exact` (as long as frames may be, `Valid`), `long` (one byte longer, `Valid`), `blank` and
/// `valid` (0x1234 for a checksum, at which nobody has to look), `wrong` (the right one XOR 0x5500, `Unknown`), `none` (no checksum, 0, `Unknown`),
/// `right`. Records: `seen` (the digests), `unfit`, `left`; then, with one frame and nothing that can be sent, `taken` and `left`.
fn receive(rng: &mut Rng, record: &Record) {
    let mtu = rng.usize(600..=2000);
    let mut cases = ["short", "least", "exact", "long", "blank", "valid", "wrong", "none", "right"];
    rng.shuffle(&mut cases);
    let mut wire = NotedWire { mtu, sends: usize::MAX, ..NotedWire::default() };
    for case in cases {
        let length = match case {
            "exact" => mtu - 28,
            "long" => mtu - 27,
            _ => rng.usize(1..=400),
        };
        let payload = bytes(rng, length);
        let mut frame = datagram(&payload);
        match case {
            "short" => frame.truncate(13),
            "least" => frame.truncate(14),
            "right" => drop(netfront::checksum::finish(&mut frame, Offload::default())),
            "wrong" => {
                netfront::checksum::finish(&mut frame, Offload::default());
                frame[40] ^= 0x55;
            }
            "blank" | "valid" => frame[40..42].copy_from_slice(&[0x12, 0x34]),
            _ => {}
        }
        let checksum = match case {
            "exact" | "long" | "valid" => Checksum::Valid,
            "blank" => Checksum::Blank,
            _ => Checksum::Unknown,
        };
        wire.coming.push_back(Frame { bytes: frame, checksum });
    }
    let mut seen = Vec::new();
    while let Some(frame) = phy::receive(&mut wire) {
        seen.push(format!("{}", digest(&frame.bytes)));
    }
    record.saw(format_args!("seen={} unfit={} left={}", List(seen.iter()), List(wire.calls.iter()), wire.coming.len()));
    // Now nothing can be sent: a frame stays where it is.
    wire.sends = 0;
    wire.coming.push_back(Frame { bytes: datagram(&[1]), checksum: Checksum::Valid });
    let taken = phy::receive(&mut wire).is_some();
    record.saw(format_args!("taken={taken} left={}", wire.coming.len()));
}

/// Frames that are sent.
///
/// For each of four offers (none, IPv4, IPv6, both): draws `length = rng.usize(1..=300)`, the payload, and `answer = rng.u32(..)`. `fill` writes a datagram over
/// IPv4 and returns `answer`. Records: `zero` (whether the buffer was), `result`, `digest` of what was sent, `blank`.
/// Then a frame that is no packet at all, of drawn bytes, as many: its type is that of experiments.
fn send(rng: &mut Rng, record: &Record) {
    for (ipv4, ipv6) in [(false, false), (true, false), (false, true), (true, true)] {
        let length = rng.usize(1..=300);
        let payload = bytes(rng, length);
        let answer = rng.u32(..);
        let mut wire = NotedWire { offload: Offload { ipv4, ipv6 }, ..NotedWire::default() };
        let packet = datagram(&payload);
        let mut other = bytes(rng, length + 14);
        other[12..14].copy_from_slice(&super::live_link::EXPERIMENT.to_be_bytes());
        for frame in [packet, other] {
            let mut zero = false;
            let result = phy::send(&mut wire, frame.len(), |buffer| {
                zero = buffer.len() == frame.len() && buffer.iter().all(|byte| *byte == 0);
                let count = buffer.len().min(frame.len());
                buffer[..count].copy_from_slice(&frame[..count]);
                answer
            });
            record.saw(format_args!("zero={zero} result={result} sent={}", List(wire.calls.iter())));
            wire.calls.clear();
        }
    }
}

/// smoltcp, and dom0 at the other end.
///
/// Draws: `host = rng.u8(100..200)`; `length = rng.usize(1..=1000)`; `seed = rng.u64(..)`.
/// The interface has the address `10.0.2.<host>`. Dom0 is asked to look (`frames-watch`); to ask for the address (`arp`, with `host`), and, when smoltcp
/// has worked for a while, to send a ping (`ping`, with `host`, `seed`, `length`); and when it has worked again, what it has seen (`ping-seen`).
fn dom0(rng: &mut Rng, record: &Record) {
    let host = rng.u8(100..200);
    let length = rng.usize(1..=1000);
    let seed = rng.u64(..);
    let Some(link) = LiveLink::open() else { return record.saw(format_args!("link=none")) };
    let now = || Instant::from_micros((threads::time::now().0 / 1000) as i64);
    let mut face = None;
    // Works until so many frames have been sent.
    let mut work = |frames: u64| {
        let deadline = threads::time::after(core::time::Duration::from_secs(3));
        link.with(|queues| {
            let face = face.get_or_insert_with(|| {
                let address = EthernetAddress([0x00, 0x16, 0x3e, 0x5d, 0x06, 0x00]);
                let mut face = Interface::new(Config::new(address.into()), &mut Phy(queues), now());
                face.update_ip_addrs(|addresses| {
                    let _ = addresses.push(IpCidr::new(IpAddress::v4(10, 0, 2, host), 24)); // there is room
                });
                face
            });
            let mut sockets = SocketSet::new(Vec::new());
            while queues.counts().sent < frames && threads::time::now() < deadline {
                face.poll(now(), &mut Phy(queues), &mut sockets);
                queues.settle();
                threads::thread::sleep(core::time::Duration::from_millis(1));
            }
        });
    };
    record.ask(format_args!("ask=frames-watch"));
    record.ask(format_args!("ask=arp host={host}"));
    work(1);
    record.ask(format_args!("ask=ping host={host} seed={seed} length={length}"));
    work(2);
    record.ask(format_args!("ask=ping-seen"));
    link.close();
}

/// An interface that notes what is called: the reason for each unfit frame; for each that is sent its digest and whether it is blank.
#[derive(Default)]
struct NotedWire {
    mtu: usize,
    offload: Offload,
    coming: VecDeque<Frame>,
    /// How often something can be sent yet.
    sends: usize,
    calls: Vec<String>,
}

impl Wire for NotedWire {
    fn mtu(&self) -> usize {
        self.mtu
    }

    fn offload(&self) -> Offload {
        self.offload
    }

    fn receive(&mut self) -> Option<Frame> {
        self.coming.pop_front()
    }

    fn unfit(&mut self, why: Unfit) {
        self.calls.push(format!("{why:?}"));
    }

    fn can_send(&mut self) -> bool {
        self.sends > 0
    }

    fn buffer(&mut self, length: usize) -> Vec<u8> {
        alloc::vec![0; length]
    }

    fn send(&mut self, frame: Vec<u8>, blank: bool) {
        self.calls.push(format!("{}:{blank}", digest(&frame)));
    }
}
