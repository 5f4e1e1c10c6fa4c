//! Backends that lie: to one ring, and to all queues of an interface. (They use all exercises.)
//!
//! Whatever they do costs the interface at most. Nobody who works for it may be kept busy for ever, as he has its locks.

use std::cell::Cell;
use std::rc::Rc;
use std::vec::Vec;

use super::{Ring, pair};
use crate::checksum::Offload;
use crate::net::claim::Claim;
use crate::net::gate::{Gate, Introduced};
use crate::pages::{Memory, Pool};
use crate::phy::{self, Wire};
use crate::queue::{Bell, Queue};
use crate::queues::Queues;
use crate::rx::{self, Broken, Received, RxHalf};
use crate::shared_ring::RingMemory;
use crate::tx::{self, Transmitter, TxHalf};
use smoltcp::wire::EthernetAddress;
use xenbus::grants::GrantRef;

#[test]
fn whatever_a_hostile_backend_writes_ends_in_broken_or_a_dropped_frame() {
    let (mut broken, mut frames, mut dropped) = (0, 0, 0);
    for seed in 0..2000 {
        let (mut tx, mut rx, backend) = pair();
        let mut rng = fastrand::Rng::with_seed(seed);
        rx::refill(&mut rx);
        for _ in 0..rng.u32(1..30) {
            tx::send(&mut tx, &[7; 100], false).unwrap();
        }
        tx.publish();
        'backend: for _ in 0..20 {
            // Sometimes nearly right, sometimes anything.
            for number in 0..256 {
                let wild = rng.u8(..8) == 0;
                let id = if wild { rng.u32(..) } else { number };
                let status = if wild { rng.u32(..) } else { rng.u32(..2000) << 16 | rng.u32(..16) };
                backend.rx.answer(number, &[id, status], 2);
                backend.tx.answer(number, &[if wild { rng.u32(..) } else { number }], 3);
            }
            let ahead = if rng.u8(..5) == 0 { rng.u32(..) } else { rng.u32(..40) };
            backend.rx.store(8, backend.rx.load(8).wrapping_add(ahead));
            backend.tx.store(8, backend.tx.load(8).wrapping_add(ahead.min(3)));
            loop {
                match rx::collect(&mut rx) {
                    Ok(Some(Received::Frame(frame))) => {
                        assert!(frame.bytes.len() <= 65535);
                        frames += 1;
                    }
                    Ok(Some(Received::Dropped(_))) => dropped += 1,
                    Ok(None) => break,
                    Err(Broken) => {
                        broken += 1;
                        break 'backend;
                    }
                }
            }
            if tx::reap(&mut tx).is_err() {
                broken += 1;
                break;
            }
            rx::refill(&mut rx);
            assert!(tx.room() <= 256 && rx.offered() <= 256);
        }
    }
    assert!(broken > 1000 && frames > 1000 && dropped > 100, "{broken} {frames} {dropped}");
}

/// A ring of a backend with nothing else to do: whenever somebody looks, each page that was offered has been answered in this way.
struct Greedy {
    ring: Ring,
    /// What it says about the page of this id. Without it, it says nothing at all.
    answer: Option<fn(u32) -> [u32; 2]>,
    looks: Rc<Cell<u32>>,
}

impl RingMemory for Greedy {
    fn load(&self, offset: usize) -> u32 {
        self.looks.set(self.looks.get() + 1);
        assert!(self.looks.get() < 100_000, "the backend keeps its frontend busy for ever");
        match (self.answer, offset) {
            (Some(_), 8) => self.ring.load(0),
            (Some(answer), 64..) => answer((offset as u32 - 64) / 8)[offset / 4 % 2],
            _ => self.ring.load(offset),
        }
    }

    fn store(&self, offset: usize, value: u32) {
        self.ring.store(offset, value);
    }
}

/// Pages that all hold the same frame, whatever is done to them.
struct Full(&'static [u8]);

impl Memory for Full {
    fn grow(&mut self) -> bool {
        true
    }

    fn reference(&self, number: u16) -> GrantRef {
        GrantRef(u32::from(number))
    }

    fn read(&self, _: u16, offset: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0[offset..offset + bytes.len()]);
    }

    fn write(&self, _: u16, _: &[u8]) {}
}

/// Nobody is told of anything.
struct Mute;

impl Bell for Mute {
    fn tell_rx(&self) {}

    fn tell_tx(&self) {}
}

/// An interface of several queues that has such a backend, and the count of looks at its rings.
fn interface(answer: fn(u32) -> [u32; 2], frame: &'static [u8]) -> (Queues<Greedy, Full, Mute>, Rc<Cell<u32>>) {
    let looks = Rc::<Cell<u32>>::default();
    let ring = |answer| Greedy { ring: Ring::new(), answer, looks: looks.clone() };
    let pool = || Pool::new(Full(frame), 256);
    let queues = (0..3).map(|_| {
        let mut rx = RxHalf::new(ring(Some(answer)), pool());
        rx::refill(&mut rx);
        Queue { bell: Mute, rx, tx: TxHalf::new(ring(None), pool(), true) }
    });
    let queues = Queues::new(queues.collect(), 1500, Offload::default());
    (queues, looks)
}

/// A packet that begins a connection to port 7.
const FIRST_PACKET: &[u8] = &[
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 6, 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 77, 10, 0, 2, 15,
    4, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0,
];

#[test]
fn no_backend_keeps_its_frontend_busy_for_ever() {
    /// A whole frame of so many bytes, whose checksum isn't there.
    const fn whole(id: u32, bytes: u32) -> [u32; 2] {
        [id, bytes << 16 | 2]
    }
    let refused: fn(u32) -> [u32; 2] = |id| [id, 0xffff << 16];
    let too_short: fn(u32) -> [u32; 2] = |id| whole(id, 5);
    let first_packet: fn(u32) -> [u32; 2] = |id| whole(id, 54);
    for (answer, what) in [(refused, "refused"), (too_short, "too short"), (first_packet, "for a port that is full")] {
        let (mut queues, looks) = interface(answer, FIRST_PACKET);
        for round in 1..=1000 {
            looks.set(0);
            let (full, mut introduced, mut claim) = (Vec::from([7]), Introduced::default(), Claim::default());
            let (introduced, claim, mac) = (&mut introduced, &mut claim, EthernetAddress([2; 6]));
            let mut gate = Gate { queues: &mut queues, full, introduced, claim, mac, own: None };
            assert_eq!(phy::receive(&mut gate), None, "{what}");
            let settled = queues.settle();
            assert!(settled.more && !queues.is_broken(), "{what}");
            let counts = queues.counts();
            assert!(counts.dropped + counts.turned_away >= round, "{what}: {counts:?}");
            assert_eq!(queues.offered().0, 3 * 256, "{what}");
        }
    }
}

#[test]
fn a_backend_that_breaks_the_rules_is_counted_and_left_alone() {
    // The id of another request.
    let (mut queues, _) = interface(|id| [id ^ 1, 100 << 16], FIRST_PACKET);
    assert!(queues.receive().is_none() && queues.is_broken());
    assert_eq!(queues.counts().broken, 1);
    for _ in 0..3 {
        assert!(queues.receive().is_none() && !queues.can_send() && !queues.settle().more);
    }
    assert_eq!(queues.counts().broken, 1);
}

#[test]
fn whatever_comes_is_counted_once() {
    let (mut broken, mut delivered) = (0, 0);
    for seed in 0..500 {
        let looks = Rc::<Cell<u32>>::default();
        let ring = || Greedy { ring: Ring::new(), answer: None, looks: looks.clone() };
        let (rx_ring, tx_ring) = (ring(), ring());
        let (answers, sent) = (rx_ring.ring.clone(), tx_ring.ring.clone());
        let pool = || Pool::new(Full(&[0; 4096]), 256);
        let (mut rx, tx) = (RxHalf::new(rx_ring, pool()), TxHalf::new(tx_ring, pool(), true));
        rx::refill(&mut rx);
        let mut queues = Queues::new(Vec::from([Queue { bell: Mute, rx, tx }]), 1500, Offload::default());
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut failures, mut produced, mut taken) = (0, 0_u32, 0_u32);
        for _ in 0..30 {
            looks.set(0);
            // Frames of one part each, of which every few can't be; sometimes a count or an id that can't be.
            let ahead = rng.u32(..60).min(answers.load(0).wrapping_sub(produced));
            for number in produced..produced + ahead {
                let id = if rng.u16(..2000) == 0 { rng.u32(..256) } else { number % 256 };
                let offset = if rng.u8(..10) == 0 { 4000 } else { 0 };
                let status = if rng.u8(..10) == 0 { rng.i32(-9..0) } else { rng.i32(14..1500) };
                answers.answer(number, &[id | offset << 16, (status as u32) << 16 | 1], 2);
            }
            produced += ahead;
            answers.store(8, if rng.u8(..200) == 0 { rng.u32(..) } else { produced });
            while phy::receive(&mut queues).is_some() {}
            for _ in 0..rng.u8(..20) {
                if queues.can_send() {
                    queues.send(std::vec![0; 60], false);
                }
            }
            for number in taken..sent.load(0) {
                let failed = rng.bool();
                failures += u64::from(failed);
                // The id is the page's number, as the frontend has chosen it.
                let id = sent.slot(number, 3)[2] & 0xffff;
                sent.answer(number, &[id | if failed { 0xffff_0000 } else { 0 }], 3);
            }
            taken = sent.load(0);
            sent.store(8, taken);
            queues.can_send();
            queues.settle();
            if queues.is_broken() {
                break;
            }
        }
        while phy::receive(&mut queues).is_some() || queues.settle().more {}
        let counts = queues.counts();
        assert_eq!(counts.failed, failures, "seed {seed}: {counts:?}");
        assert_eq!(counts.broken, u64::from(queues.is_broken()), "seed {seed}");
        if counts.broken == 0 {
            assert_eq!(counts.received + counts.dropped, u64::from(produced), "seed {seed}: {counts:?}");
        }
        broken += counts.broken;
        delivered += counts.received;
    }
    assert!(broken > 50 && delivered > 10_000, "{broken} {delivered}");
}

#[test]
fn whatever_a_backend_does_the_protocols_go_on_or_the_interface_is_given_up() {
    let (mut received, mut sent, mut rows, mut echoed, mut broken) = (0, 0, 0, 0, 0);
    for seed in 0..2000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let length = rng.usize(..if seed % 16 == 0 { 20_000 } else { 3000 });
        let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
        let seen = crate::hostile::play(&bytes);
        (received, sent, rows) = (received + seen.received, sent + seen.sent, rows + seen.rows);
        echoed += seen.echoed;
        broken += usize::from(seen.broken);
    }
    assert!(
        received > 5000 && sent > 2000 && rows > 10 && echoed > 1000 && broken > 300,
        "{received} received, {sent} sent, {rows} of them rows, {echoed} echoed, {broken} broken"
    );
}
