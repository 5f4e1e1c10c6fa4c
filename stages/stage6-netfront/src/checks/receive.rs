//! Checks of exercise 6b: a ring that notes each call, with a backend that is right or wrong; then a real one.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use console::bedrock::{List, Record, Reporter};
use fastrand::Rng;
use netfront::pages::Page;
use netfront::rx::{self, Received, Receiver};
use netfront::shared_ring::Overrun;

use super::digest;
use super::live_link::LiveLink;

const MORE: u16 = 4;
const EXTRA: u16 = 8;

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("6b.refill", refill);
    reporter.check("6b.frames", frames);
    reporter.check("6b.dropped", dropped);
    reporter.check("6b.broken", broken);
    reporter.check("6b.dom0", dom0);
}

/// Offering pages.
///
/// Draws, for each case: `slots = 1 << rng.u32(3..=6)`; `next = u32::MAX - rng.u32(..8)`; `room = rng.u32(2..slots)`; `few = rng.u32(1..room)`.
/// Cases: `enough` (`room` + 3 spare pages), `few` (so many), `none` (no page), `full` (no room, 3 pages). Records: `case`, `result`, `calls`.
fn refill(rng: &mut Rng, record: &Record) {
    for case in ["enough", "few", "none", "full"] {
        let slots = 1 << rng.u32(3..=6);
        let next = u32::MAX - rng.u32(..8);
        let room = rng.u32(2..slots);
        let few = rng.u32(1..room);
        let (room, spare) = match case {
            "enough" => (room, room + 3),
            "few" => (room, few),
            "none" => (room, 0),
            _ => (0, 3),
        };
        let mut ring =
            NotedRing { slots, next, room, spare: (0..spare as u16).rev().collect(), ..NotedRing::default() };
        let offered = rx::refill(&mut ring);
        record.saw(format_args!("case={case} result={offered} calls={}", List(ring.calls.iter())));
    }
}

/// A part of a frame, as the backend says it.
#[derive(Clone, Copy)]
struct Part {
    offset: u16,
    flags: u16,
    status: i16,
}

/// Frames that are right.
///
/// Draws: `first = u32::MAX - rng.u32(..20)`, the number of the first response; then for each of eight frames `parts = rng.u32(1..=4)`, `extras =
/// rng.u32(..3)`, `checksum = rng.u16(..4)`, and for each part `offset = rng.u16(..64)`, `status = rng.i16(1..=4000)`. All of them are in the
/// ring at once, of 64 slots. The page of slot `i` is page `i`; its byte `at` is [`byte`].
/// Records for each frame: `frame` (its length, or why there is none), `digest`, `checksum`, `calls`; and what comes behind the last.
fn frames(rng: &mut Rng, record: &Record) {
    let mut ring = NotedRing::full(u32::MAX - rng.u32(..20));
    for _ in 0..8 {
        let parts = rng.u32(1..=4);
        let extras = rng.u32(..3);
        let checksum = rng.u16(..4);
        for part in 0..parts {
            let offset = rng.u16(..64);
            let status = rng.i16(1..=4000);
            let more = if part + 1 < parts { MORE } else { 0 };
            let first = if part > 0 { 0 } else { checksum | if extras > 0 { EXTRA } else { 0 } };
            ring.answer(Part { offset, flags: more | first, status });
            if part == 0 {
                (1..=extras).for_each(|extra| ring.answer_extra(extra < extras));
            }
        }
    }
    for _ in 0..9 {
        ring.collect(record, "-");
    }
}

/// Frames that are no good, each before a right one of 60 bytes.
///
/// Draws: `first` as in [`frames`]; then, of six cases, an order by `rng.shuffle`; then for each `at = rng.u16(..100)`, `status = rng.i16(1..=100)`.
/// Cases: `refused` (three parts, the second with status -1), `outside` (a part from `at` on that ends one byte behind its page, and `status` more),
/// `touching` (a part that ends exactly there: it is good), `long` (17 parts of 4096 bytes), `both` (refused, then outside), `memory`
/// (no memory for the first part). In the end `cut`: a part with `MORE`, and nothing behind it; `cut-extra`: the same with `EXTRA`.
/// Records as in [`frames`], with `case`.
fn dropped(rng: &mut Rng, record: &Record) {
    let first = u32::MAX - rng.u32(..20);
    let mut cases = ["refused", "outside", "touching", "long", "both", "memory"];
    rng.shuffle(&mut cases);
    let part = |offset, flags, status| Part { offset, flags, status };
    for (index, case) in cases.into_iter().enumerate() {
        let mut ring = NotedRing::full(first.wrapping_add(index as u32));
        let at = rng.u16(..100);
        let status = rng.i16(1..=100);
        let parts: Vec<Part> = match case {
            "refused" => Vec::from([part(0, MORE, status), part(0, MORE, -1), part(at, 0, status)]),
            "outside" => Vec::from([part(4097 - status as u16, MORE, status), part(at, 0, status)]),
            "touching" => Vec::from([part(4096 - status as u16, 0, status)]),
            "long" => {
                (0..17).map(|part| Part { offset: 0, flags: if part < 16 { MORE } else { 0 }, status: 4096 }).collect()
            }
            "both" => Vec::from([part(0, MORE, -2), part(4097 - status as u16, 0, status)]),
            _ => Vec::from([part(at, 0, status)]),
        };
        parts.into_iter().for_each(|part| ring.answer(part));
        ring.answer(Part { offset: 0, flags: 0, status: 60 });
        ring.no_memory = case == "memory";
        ring.collect(record, case);
        ring.no_memory = false;
        ring.collect(record, case);
    }
    for (case, flags) in [("cut", MORE), ("cut-extra", EXTRA)] {
        let mut ring = NotedRing::full(first);
        ring.answer(Part { offset: 0, flags, status: 60 });
        ring.collect(record, case);
        ring.collect(record, case);
    }
}

/// A backend that can't be believed.
///
/// Draws: `first` as in [`frames`]; `wrong = rng.u16(1..64)`.
/// Cases: `id` (the id is that of the slot XOR `wrong`), `nobody` (nothing was offered in the slot), `overrun` (the count can't be), `later`
/// (a right part with `MORE`, then one with a wrong id). Records: as in [`frames`], with `case`.
fn broken(rng: &mut Rng, record: &Record) {
    let first = u32::MAX - rng.u32(..20);
    let wrong = rng.u16(1..64);
    for case in ["id", "nobody", "overrun", "later"] {
        let mut ring = NotedRing::full(first);
        match case {
            "id" => ring.answer_as(wrong, Part { offset: 0, flags: 0, status: 60 }),
            "nobody" => {
                ring.offered.clear();
                ring.answer(Part { offset: 0, flags: 0, status: 60 });
            }
            "overrun" => ring.overrun = true,
            _ => {
                ring.answer(Part { offset: 0, flags: MORE, status: 60 });
                ring.answer_as(wrong, Part { offset: 0, flags: 0, status: 60 });
            }
        }
        ring.collect(record, case);
    }
}

/// Frames that dom0 sends.
///
/// Draws: `seed = rng.u64(..)`, and six lengths, `rng.usize(1..=1486)`.
/// Dom0 is asked to send a frame for each (`frame-send`, with `seed` and `length`; the seed counts up), and the guest to receive them by the
/// real backend. Records for each: `frame` (its length), `digest`; then 300 more of 60 bytes, so that each slot is used again, of which the
/// number received is recorded as `more`.
fn dom0(rng: &mut Rng, record: &Record) {
    let seed = rng.u64(..);
    let lengths: [usize; 6] = core::array::from_fn(|_| rng.usize(1..=1486));
    let Some(link) = LiveLink::open() else { return record.saw(format_args!("link=none")) };
    for (number, length) in lengths.into_iter().enumerate() {
        let seed = seed.wrapping_add(number as u64);
        record.ask(format_args!("ask=frame-send seed={seed} length={length} count=1"));
        let frame = link.receive();
        record.saw(format_args!("frame={} digest={}", frame.len(), digest(&frame)));
    }
    let mut received = 0;
    for _ in 0..3 {
        record.ask(format_args!("ask=frame-send seed={seed} length=46 count=100"));
        received += (0..100).take_while(|_| !link.receive().is_empty()).count();
    }
    record.saw(format_args!("more={received}"));
    link.close();
}

/// A byte of a page.
fn byte(page: u16, at: usize) -> u8 {
    (usize::from(page) * 31 + at * 7 + at / 256) as u8
}

/// A ring that notes what is called: `oI:P` for page P offered under id I, `p` for a publication, `gP` for page P given back. What is
/// copied from outside of a page is noted as `c!`.
#[derive(Default)]
struct NotedRing {
    slots: u32,
    next: u32,
    room: u32,
    spare: Vec<u16>,
    offered: BTreeMap<u16, u16>,
    /// The number of the next response to be answered, and to be taken.
    answered: u32,
    taken: u32,
    responses: VecDeque<[u32; 2]>,
    overrun: bool,
    no_memory: bool,
    calls: Vec<String>,
}

impl NotedRing {
    /// A ring of 64 slots, all of which are offered; responses begin at this number.
    fn full(first: u32) -> Self {
        let offered = (0..64).map(|slot| (slot, slot)).collect();
        Self { slots: 64, next: first, offered, answered: first, taken: first, ..Self::default() }
    }

    fn answer(&mut self, part: Part) {
        self.answer_as(0, part);
    }

    fn answer_as(&mut self, wrong: u16, Part { offset, flags, status }: Part) {
        let id = (self.answered % self.slots) as u16 ^ wrong;
        let low = u32::from(id) | u32::from(offset) << 16;
        self.responses.push_back([low, u32::from(flags) | u32::from(status as u16) << 16]);
        self.answered = self.answered.wrapping_add(1);
    }

    /// A slot about segmentation, of type 1, with a flag whether another such slot follows.
    fn answer_extra(&mut self, more: bool) {
        self.responses.push_back([1 | u32::from(more) << 8 | 1448 << 16, 1]);
        self.answered = self.answered.wrapping_add(1);
    }

    fn collect(&mut self, record: &Record, case: &str) {
        self.calls.clear();
        let result = rx::collect(self);
        let calls = List(self.calls.iter());
        let left = self.responses.len();
        match result {
            Ok(Some(Received::Frame(frame))) => {
                let (length, digest, checksum) = (frame.bytes.len(), digest(&frame.bytes), frame.checksum);
                let said = format!("frame={length} digest={digest} checksum={checksum:?}");
                record.saw(format_args!("case={case} {said} calls={calls} left={left}"));
            }
            Ok(Some(Received::Dropped(why))) => {
                record.saw(format_args!("case={case} frame={why:?} calls={calls} left={left}"));
            }
            Ok(None) => record.saw(format_args!("case={case} frame=None calls={calls} left={left}")),
            Err(rx::Broken) => record.saw(format_args!("case={case} frame=Broken")),
        }
    }
}

impl Receiver for NotedRing {
    fn slots(&self) -> u32 {
        self.slots
    }

    fn room(&self) -> u32 {
        self.room
    }

    fn next(&self) -> u32 {
        self.next
    }

    fn spare(&mut self) -> Option<Page> {
        self.spare.pop().map(Page::new)
    }

    fn offer(&mut self, id: u16, page: Page) {
        self.calls.push(format!("o{id}:{}", page.number()));
        self.offered.insert(id, page.number());
        self.next = self.next.wrapping_add(1);
        self.room = self.room.saturating_sub(1);
    }

    fn publish(&mut self) {
        self.calls.push(String::from("p"));
    }

    fn take(&mut self) -> Result<Option<(u32, [u32; 2])>, Overrun> {
        if self.overrun {
            return Err(Overrun);
        }
        let Some(words) = self.responses.pop_front() else { return Ok(None) };
        let number = self.taken;
        self.taken = number.wrapping_add(1);
        Ok(Some((number, words)))
    }

    fn withdraw(&mut self, id: u16) -> Option<Page> {
        self.offered.remove(&id).map(Page::new)
    }

    fn copy(&mut self, page: &Page, offset: usize, count: usize, bytes: &mut Vec<u8>) -> bool {
        if offset + count > 4096 {
            self.calls.push(String::from("c!"));
            return false;
        }
        if self.no_memory {
            return false;
        }
        bytes.extend((offset..offset + count).map(|at| byte(page.number(), at)));
        true
    }

    fn give_back(&mut self, page: Page) {
        self.calls.push(format!("g{}", page.number()));
    }
}
