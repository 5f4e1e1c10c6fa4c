//! Checks of exercise 6c: a ring that notes each call; then a real one.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use console::bedrock::{List, Record, Reporter};
use fastrand::Rng;
use netfront::netif::{TxFlags, TxResponse};
use netfront::pages::Page;
use netfront::phy::Wire;
use netfront::shared_ring::Overrun;
use netfront::tx::{self, Transmitter};

use super::live_link::{EXPERIMENT, LiveLink};
use super::{bytes, digest};

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("6c.parts", parts);
    reporter.check("6c.refused", refused);
    reporter.check("6c.reap", reap);
    reporter.check("6c.broken", broken);
    reporter.check("6c.dom0", dom0);
}

/// Frames in parts.
///
/// Lengths: 14, 1514, 4096, 4097, 8192, 65535, and drawn, three times `rng.usize(60..=20_000)`. For each: `blank = rng.bool()`, then its bytes.
/// The pages are taken in the order 40, 39 and so on. Records: `length`, `result`, `calls`.
fn parts(rng: &mut Rng, record: &Record) {
    let drawn: [usize; 3] = core::array::from_fn(|_| rng.usize(60..=20_000));
    for length in [14, 1514, 4096, 4097, 8192, 65535].into_iter().chain(drawn) {
        let blank = rng.bool();
        let frame = bytes(rng, length);
        let mut ring = NotedRing { gathers: true, room: 100, spare: (0..=40).collect(), ..NotedRing::default() };
        let result = tx::send(&mut ring, &frame, blank);
        record.saw(format_args!("length={length} result={result:?} calls={}", List(ring.calls.iter())));
    }
}

/// Frames that can't be sent.
///
/// Draws: `parts = rng.u32(2..=10)`. Cases, of a frame of so many pages unless said otherwise: `short` (13 bytes), `long` (65536 bytes),
/// `whole` (the backend doesn't gather), `page` (the same, 4096 bytes: that works), `room` (one slot too few), `fits` (exactly enough),
/// `pages` (one page too few). Records: `case`, `result`, `calls`, `spare` (pages that are spare afterwards).
fn refused(rng: &mut Rng, record: &Record) {
    let parts = rng.u32(2..=10);
    let whole = parts as usize * 4096;
    let cases = [
        ("short", 13, true, 100, 40),
        ("long", 65536, true, 100, 40),
        ("whole", whole, false, 100, 40),
        ("page", 4096, false, 100, 40),
        ("room", whole, true, parts - 1, 40),
        ("fits", whole, true, parts, parts as u16),
        ("pages", whole, true, 100, parts as u16 - 1),
    ];
    for (case, length, gathers, room, pages) in cases {
        let mut ring = NotedRing { gathers, room, spare: (0..pages).collect(), ..NotedRing::default() };
        let result = tx::send(&mut ring, &alloc::vec![0; length], false);
        let spare = ring.spare.len();
        ring.calls.retain(|call| !call.starts_with('g'));
        record.saw(format_args!("case={case} result={result:?} calls={} spare={spare}", List(ring.calls.iter())));
    }
}

/// Responses.
///
/// Draws: `count = rng.usize(5..=30)`: pages 0 and on are offered. `rng.shuffle` of them; then for each `status = rng.i16(-2..=1)`; for status 1 the
/// response's id is `rng.u16(..)`, and another response for the page follows, with status 0.
/// Records: `result`, `calls`.
fn reap(rng: &mut Rng, record: &Record) {
    let count = rng.usize(5..=30);
    let mut order: Vec<u16> = (0..count as u16).collect();
    let mut ring = NotedRing { offered: order.iter().map(|page| (*page, ())).collect(), ..NotedRing::default() };
    rng.shuffle(&mut order);
    for page in order {
        let status = rng.i16(-2..=1);
        if status == 1 {
            ring.responses.push_back(TxResponse { id: rng.u16(..), status });
            ring.responses.push_back(TxResponse { id: page, status: 0 });
        } else {
            ring.responses.push_back(TxResponse { id: page, status });
        }
    }
    for _ in 0..2 {
        ring.calls.clear();
        let result = tx::reap(&mut ring);
        let said =
            result.map_or_else(|_| String::from("Broken"), |reaped| format!("{}/{}", reaped.sent, reaped.failed));
        record.saw(format_args!("result={said} calls={}", List(ring.calls.iter())));
    }
}

/// A backend that can't be believed.
///
/// Draws: `wrong = rng.u16(8..)`. Pages 0 to 7 are offered. Cases: `unknown` (a response for `wrong`), `twice` (two for page 3), `overrun` (the count
/// can't be). Records: `case`, `result`, `calls`.
fn broken(rng: &mut Rng, record: &Record) {
    let wrong = rng.u16(8..);
    for (case, ids) in [("unknown", &[wrong][..]), ("twice", &[3, 3]), ("overrun", &[])] {
        let mut ring = NotedRing { offered: (0..8).map(|page| (page, ())).collect(), ..NotedRing::default() };
        ring.responses.extend(ids.iter().map(|id| TxResponse { id: *id, status: 0 }));
        ring.overrun = case == "overrun";
        let result = if tx::reap(&mut ring).is_ok() { "ok" } else { "Broken" };
        record.saw(format_args!("case={case} result={result} calls={}", List(ring.calls.iter())));
    }
}

/// Frames that dom0 sees on the wire.
///
/// Draws: eight lengths, `rng.usize(60..=1514)`, then two of `rng.usize(4097..=9000)`; and the bytes of each. Their first 14 bytes are replaced by
/// a header: from `02:00:00:00:00:06` to `02:00:00:00:00:01`, of type [`EXPERIMENT`]. Dom0 is asked to look (`frames-watch`), and then what it has
/// seen (`frames-seen`). Then 300 frames are sent of 60 bytes, the number in the bytes 14 and 15, so that each slot is used again.
fn dom0(rng: &mut Rng, record: &Record) {
    let mut lengths: Vec<usize> = (0..8).map(|_| rng.usize(60..=1514)).collect();
    lengths.extend((0..2).map(|_| rng.usize(4097..=9000)));
    let frames: Vec<Vec<u8>> = lengths.into_iter().map(|length| headed(bytes(rng, length))).collect();
    let Some(link) = LiveLink::open() else { return record.saw(format_args!("link=none")) };
    record.ask(format_args!("ask=frames-watch"));
    frames.iter().for_each(|frame| send(&link, frame));
    record.ask(format_args!("ask=frames-seen type={EXPERIMENT} count={}", frames.len()));
    for round in 0..3 {
        for number in round * 100..(round + 1) * 100 {
            let mut frame = headed(alloc::vec![0; 60]);
            frame[14..16].copy_from_slice(&u16::to_be_bytes(number));
            send(&link, &frame);
        }
        record.ask(format_args!("ask=frames-digest type={EXPERIMENT} count=100"));
    }
    link.close();
}

/// Sends a frame, as soon as there is room for it.
fn send(link: &LiveLink, frame: &[u8]) {
    let deadline = threads::time::after(core::time::Duration::from_secs(5));
    while threads::time::now() < deadline {
        let sent = link.with(|queues| {
            let can = queues.can_send();
            if can {
                queues.send(Vec::from(frame), false);
            }
            queues.settle();
            can
        });
        if sent != Some(false) {
            return;
        }
        threads::thread::sleep(core::time::Duration::from_millis(1));
    }
}

fn headed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 6]);
    frame[12..14].copy_from_slice(&EXPERIMENT.to_be_bytes());
    frame
}

/// A ring that notes what is called: `fP:D` for page P filled with bytes of digest D, `oP:F:S` for page P offered with flags F and size
/// S, `gP` for page P given back.
#[derive(Default)]
struct NotedRing {
    gathers: bool,
    room: u32,
    spare: Vec<u16>,
    offered: BTreeMap<u16, ()>,
    responses: VecDeque<TxResponse>,
    overrun: bool,
    calls: Vec<String>,
}

impl Transmitter for NotedRing {
    fn gathers(&self) -> bool {
        self.gathers
    }

    fn room(&self) -> u32 {
        self.room
    }

    fn spare(&mut self) -> Option<Page> {
        self.spare.pop().map(Page::new)
    }

    fn give_back(&mut self, page: Page) {
        self.calls.push(format!("g{}", page.number()));
        self.spare.push(page.number());
    }

    fn fill(&mut self, page: &Page, bytes: &[u8]) {
        self.calls.push(format!("f{}:{}", page.number(), digest(bytes)));
    }

    fn offer(&mut self, page: Page, flags: TxFlags, size: u16) {
        self.calls.push(format!("o{}:{}:{size}", page.number(), flags.bits()));
        self.offered.insert(page.number(), ());
        self.room = self.room.saturating_sub(1);
    }

    fn take(&mut self) -> Result<Option<TxResponse>, Overrun> {
        if self.overrun { Err(Overrun) } else { Ok(self.responses.pop_front()) }
    }

    fn withdraw(&mut self, id: u16) -> Option<Page> {
        self.offered.remove(&id).map(|()| Page::new(id))
    }
}
