//! Checks of exercise 1a: `console_ring::write` on a ring that notes each access.

use core::cell::Cell;

use console::bedrock::{Hex, Record, Reporter};
use console::console_ring::{self, OUT_SIZE, OutRing};
use fastrand::Rng;

const SIZE: u32 = OUT_SIZE as u32;
/// What every slot holds before.
const FILL: u8 = 0xee;
/// The longest text of any check.
const MOST: usize = 512;

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("1a.fits", fits);
    reporter.check("1a.wrap", wrap);
    reporter.check("1a.full", full);
    reporter.check("1a.hostile", hostile);
    reporter.check("1a.order", order);
}

// ANCHOR: fits
/// A text that fits into an empty ring.
///
/// Draws: `start = rng.u32(..1024)`; `length = rng.usize(1..=256)`; `length` times `rng.u8(1..=255)`, the text.
/// The ring: producer = consumer = start.
/// Records, as every call here: see [`NotedRing::record`] with `case=fits`, `count` = the text's length.
fn fits(rng: &mut Rng, record: &Record) {
    let start = rng.u32(..1024);
    let length = rng.usize(1..=256);
    let text = Text::draw(rng, length);
    let mut ring = NotedRing::new(start, [start; 2]);
    let accepted = console_ring::write(&mut ring, text.bytes());
    ring.record(record, "fits", accepted, start, length);
}
// ANCHOR_END: fits

/// A text that passes the last slot, and one that also passes the largest index.
///
/// Draws: `before = rng.u32(1..=64)`; `round = rng.u32(1..=1000)`; `length = before as usize +
/// rng.usize(1..=128)`; `length` times `rng.u8(1..=255)`. The rings: producer = consumer = start, with start =
/// round * 2048 - before (`case=slot`), then 2^32 - before (`case=index`).
fn wrap(rng: &mut Rng, record: &Record) {
    let before = rng.u32(1..=64);
    let round = rng.u32(1..=1000);
    let length = before as usize + rng.usize(1..=128);
    let text = Text::draw(rng, length);
    for (case, start) in [("slot", round * SIZE - before), ("index", before.wrapping_neg())] {
        let mut ring = NotedRing::new(start, [start; 2]);
        let accepted = console_ring::write(&mut ring, text.bytes());
        ring.record(record, case, accepted, start, length);
    }
}

/// A text that fits in part, then not at all, and an empty one.
///
/// Draws: `consumer = rng.u32(..)`; `room = rng.u32(1..=100)`; `length = room as usize + rng.usize(1..=100)`;
/// `length` times `rng.u8(1..=255)`.
/// `case=part`: producer = consumer + 2048 - room; `count` = length, so `data` shows the slots behind the room too.
/// `case=none`: producer = consumer + 2048; `count` = 0.
/// `case=empty`: producer = consumer, and the text is empty; `count` = 0.
fn full(rng: &mut Rng, record: &Record) {
    let consumer = rng.u32(..);
    let room = rng.u32(1..=100);
    let length = room as usize + rng.usize(1..=100);
    let text = Text::draw(rng, length);

    let start = consumer.wrapping_add(SIZE - room);
    let mut ring = NotedRing::new(start, [consumer; 2]);
    let accepted = console_ring::write(&mut ring, text.bytes());
    ring.record(record, "part", accepted, start, length);

    let start = consumer.wrapping_add(SIZE);
    let mut ring = NotedRing::new(start, [consumer; 2]);
    let accepted = console_ring::write(&mut ring, text.bytes());
    ring.record(record, "none", accepted, start, 0);

    let mut ring = NotedRing::new(consumer, [consumer; 2]);
    let accepted = console_ring::write(&mut ring, &[]);
    ring.record(record, "empty", accepted, consumer, 0);
}

/// A consumer index that can't be true, and one that changes between two loads.
///
/// Draws: `producer = rng.u32(..)`; `behind = rng.u32(1..=2048)`; `ahead = rng.u32(1..=2048)`; `room =
/// rng.u32(1..=100)`; `length = room as usize + rng.usize(1..=100)`; `length` times `rng.u8(1..=255)`.
/// `case=behind`: consumer = producer - 2048 - behind, `count` = 0. `case=ahead`: consumer = producer + ahead,
/// `count` = 0. `case=changing`: the first load of the consumer gives producer - 2048 + room, each later one
/// gives producer; `count` = length.
fn hostile(rng: &mut Rng, record: &Record) {
    let producer = rng.u32(..);
    let behind = rng.u32(1..=2048);
    let ahead = rng.u32(1..=2048);
    let room = rng.u32(1..=100);
    let length = room as usize + rng.usize(1..=100);
    let text = Text::draw(rng, length);

    let honest = producer.wrapping_sub(SIZE - room);
    let cases = [
        ("behind", [producer.wrapping_sub(SIZE).wrapping_sub(behind); 2], 0),
        ("ahead", [producer.wrapping_add(ahead); 2], 0),
        ("changing", [honest, producer], length),
    ];
    for (case, consumers, count) in cases {
        let mut ring = NotedRing::new(producer, consumers);
        let accepted = console_ring::write(&mut ring, text.bytes());
        ring.record(record, case, accepted, producer, count);
    }
}

/// How the ring is accessed.
///
/// Draws: `start = rng.u32(..)`; `length = rng.usize(2..=512)`; `length` times `rng.u8(1..=255)`.
/// The ring: producer = consumer = start.
/// Records: `consumer_loads`, `producer_loads`, `stores`, `publishes`, `early`: the stores before the first publish.
fn order(rng: &mut Rng, record: &Record) {
    let start = rng.u32(..);
    let length = rng.usize(2..=MOST);
    let text = Text::draw(rng, length);
    let mut ring = NotedRing::new(start, [start; 2]);
    console_ring::write(&mut ring, text.bytes());
    record.saw(format_args!(
        "consumer_loads={} producer_loads={} stores={} publishes={} early={}",
        ring.consumer_loads.get(),
        ring.producer_loads.get(),
        ring.stores,
        ring.publishes,
        ring.stores_before_publish
    ));
}

struct Text {
    bytes: [u8; MOST],
    length: usize,
}

impl Text {
    fn draw(rng: &mut Rng, length: usize) -> Self {
        let mut bytes = [0; MOST];
        bytes[..length].fill_with(|| rng.u8(1..=255));
        Self { bytes, length }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

struct NotedRing {
    out: [u8; OUT_SIZE],
    producer: u32,
    /// What the first load gives, and every later one.
    consumers: [u32; 2],
    consumer_loads: Cell<u32>,
    producer_loads: Cell<u32>,
    stores: u32,
    publishes: u32,
    stores_before_publish: u32,
}

impl OutRing for NotedRing {
    fn consumer(&self) -> u32 {
        let loads = self.consumer_loads.replace(self.consumer_loads.get() + 1);
        self.consumers[loads.min(1) as usize]
    }

    fn producer(&self) -> u32 {
        self.producer_loads.set(self.producer_loads.get() + 1);
        self.producer
    }

    fn store(&mut self, slot: usize, byte: u8) {
        assert!(slot < OUT_SIZE, "the console ring has no slot {slot}");
        self.out[slot] = byte;
        self.stores += 1;
        if self.publishes == 0 {
            self.stores_before_publish += 1;
        }
    }

    fn publish(&mut self, producer: u32) {
        self.producer = producer;
        self.publishes += 1;
    }
}

impl NotedRing {
    fn new(producer: u32, consumers: [u32; 2]) -> Self {
        Self {
            out: [FILL; OUT_SIZE],
            producer,
            consumers,
            consumer_loads: Cell::new(0),
            producer_loads: Cell::new(0),
            stores: 0,
            publishes: 0,
            stores_before_publish: 0,
        }
    }

    /// Records `case`, `accepted` (what the function returned), `producer` (the index afterwards), `publishes`,
    /// `data`: the `count` slots from `start` on, modulo 2048, and `others`: how many slots outside of those no
    /// longer hold 0xee.
    fn record(&self, record: &Record, case: &str, accepted: usize, start: u32, count: usize) {
        let mut data = [0; MOST];
        let mut others = self.out.iter().filter(|byte| **byte != FILL).count();
        for (offset, byte) in data[..count].iter_mut().enumerate() {
            *byte = self.out[start.wrapping_add(offset as u32) as usize % OUT_SIZE];
            others -= usize::from(*byte != FILL);
        }
        let (producer, publishes, data) = (self.producer, self.publishes, Hex(&data[..count]));
        record.saw(format_args!(
            "case={case} accepted={accepted} producer={producer} publishes={publishes} data={data} others={others}"
        ));
    }
}
