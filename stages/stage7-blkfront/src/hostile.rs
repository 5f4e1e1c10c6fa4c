//! A disk's backend that does what it likes: what `harness/fuzz` and the tests play against ring, requests and completions.
//!
//! Bytes decide what both sides do. Whatever the backend does, a request ends once at most, and those that didn't can be given up.
//! One that keeps to the rules gets each request as it was meant, and each request ends as it says.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};
use xenbus::grants::GrantRef;

use crate::blkif::{DIRECT, INDIRECT, INDIRECT_OPERATION, Operation, SECTORS_A_PAGE, WORDS};
use crate::completions::{Table, begin, collect};
use crate::requests::{Limits, Request, Segment, check, cut, encode, encode_segment, spread};
use crate::ring::{ENTRY, Ring, Shared};

/// What happened in a play.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Requests that went into the ring.
    pub begun: usize,
    /// Those that the backend has ended.
    pub ended: usize,
    /// It was caught in a lie.
    pub lie: bool,
}

/// What one side does next.
#[derive(Arbitrary, Debug)]
enum Step {
    // This side.
    Transfer { write: bool, sector: u32, sectors: u16 },
    Other { discard: bool, sector: u32, sectors: u32 },
    Publish,
    Collect,
    // The backend, by the rules.
    Take(u8),
    Answer { which: u8, status: i16 },
    // The backend, as it likes.
    AnswerTo { id: u64, status: i16 },
    Guess { slot: u8, turn: u8 },
    Back(u8),
    Index { which: u8, value: u32 },
    Poke { word: u16, value: u64 },
}

impl Step {
    fn breaks_rules(&self) -> bool {
        matches!(
            self,
            Self::AnswerTo { .. } | Self::Guess { .. } | Self::Back(_) | Self::Index { .. } | Self::Poke { .. }
        )
    }
}

const REQ_PROD: usize = 0;
const RSP_PROD: usize = 8;
const HANDLE: u16 = 0xca00;

/// Memory that both sides reach.
#[derive(Clone)]
pub struct Memory(Rc<RefCell<Vec<u64>>>);

impl Memory {
    /// So many pages of zeros.
    pub fn new(pages: usize) -> Self {
        Self(Rc::new(RefCell::new(vec![0; pages * 512])))
    }
}

impl Shared for Memory {
    fn bytes(&self) -> usize {
        self.0.borrow().len() * 8
    }

    fn load_u32(&self, offset: usize) -> u32 {
        (self.load(offset / 8 * 8) >> (offset % 8 * 8)) as u32
    }

    fn store_u32(&self, offset: usize, value: u32) {
        let (old, shift) = (self.load(offset / 8 * 8), offset % 8 * 8);
        self.store(offset / 8 * 8, old & !(0xffff_ffff << shift) | u64::from(value) << shift);
    }

    fn load(&self, offset: usize) -> u64 {
        self.0.borrow()[offset / 8]
    }

    fn store(&self, offset: usize, value: u64) {
        self.0.borrow_mut()[offset / 8] = value;
    }
}

/// A request as this side means it.
#[derive(Clone, PartialEq, Debug)]
struct Meant {
    operation: Operation,
    sector: u64,
    sectors: u64,
    segments: Vec<Segment>,
}

/// The backend's side.
struct Backend {
    memory: Memory,
    size: u32,
    taken: u32,
    answered: u32,
    /// Ids without an answer.
    open: Vec<u64>,
    lied: bool,
    /// What it has said, and that nothing else can be in the ring.
    told: BTreeSet<u64>,
    scribbled: bool,
}

struct Play {
    limits: Limits,
    ring: Ring<Memory>,
    table: Table<usize>,
    /// What is in the table of an indirect request, by its reference.
    tables: Vec<Vec<u64>>,
    /// All requests, by number, and how each has to end and did.
    begun: Vec<(u64, Meant)>,
    said: Vec<Option<i16>>,
    ended: Vec<bool>,
    /// Those that the backend has not looked at.
    coming: VecDeque<usize>,
    backend: Backend,
    lie: bool,
}

/// Plays what these bytes say.
///
/// # Panics
/// If this side does what it must not.
pub fn play(data: &[u8]) -> Seen {
    let mut choices = Unstructured::new(data);
    let pages = 1_usize << choices.int_in_range(0..=3).unwrap_or(0);
    // Half of all backends break no rule: then more is asserted.
    let honest = choices.arbitrary().unwrap_or(true);
    let limits = Limits {
        sectors: choices.arbitrary::<u32>().unwrap_or(0).into(),
        block: if choices.arbitrary().unwrap_or(false) { 8 } else { 1 },
        read_only: choices.ratio(1, 8).unwrap_or(false),
        segments: choices.int_in_range(1..=INDIRECT).unwrap_or(DIRECT),
    };
    let memory = Memory::new(pages);
    let ring = Ring::new(memory.clone());
    let size = ring.size();
    let backend = Backend {
        memory,
        size,
        taken: 0,
        answered: 0,
        open: Vec::new(),
        lied: false,
        told: BTreeSet::new(),
        scribbled: false,
    };
    let (tables, begun, said, ended, coming) = Default::default();
    let table = Table::new(size);
    let mut play = Play { limits, ring, table, tables, begun, said, ended, coming, backend, lie: false };
    while !choices.is_empty() && !play.lie {
        let Ok(step) = choices.arbitrary::<Step>() else { break };
        if !(honest && step.breaks_rules()) {
            play.step(&step);
        }
    }
    play.end()
}

impl Play {
    fn step(&mut self, step: &Step) {
        let backend = &mut self.backend;
        backend.lied |= step.breaks_rules();
        backend.scribbled |= matches!(step, Step::Back(_) | Step::Index { .. } | Step::Poke { .. });
        match *step {
            Step::Transfer { write, sector, sectors } => {
                let operation = if write { Operation::Write } else { Operation::Read };
                self.transfer(operation, sector.into(), sectors.into());
            }
            Step::Other { discard, sector, sectors } => {
                let (operation, sector, sectors) = match discard {
                    true => (Operation::Discard, sector.into(), sectors.into()),
                    false => (Operation::Flush, 0, 0),
                };
                if check(&self.limits, operation, sector, sectors).is_ok() {
                    self.begin(Meant { operation, sector, sectors, segments: Vec::new() });
                }
            }
            Step::Publish => self.publish(),
            Step::Collect => self.collect(),
            Step::Take(most) => self.take(most.into()),
            Step::Answer { which, status } => {
                let Some(which) = usize::from(which).checked_rem(backend.open.len()) else { return };
                let id = backend.open.swap_remove(which);
                backend.answer(id, status);
                if let Some(number) = self.begun.iter().rposition(|(known, _)| *known == id) {
                    self.said[number].get_or_insert(status);
                }
            }
            Step::AnswerTo { id, status } => backend.answer(id, status),
            // Low numbers are those in use.
            Step::Guess { slot, turn } => backend.answer(u64::from(turn) << 32 | u64::from(slot % 8), 0),
            Step::Back(count) => backend.answered = backend.answered.wrapping_sub(count.into()),
            Step::Index { which, value } => backend.memory.store_u32(usize::from(which) % 4 * 4, value),
            Step::Poke { word, value } => {
                let words = backend.memory.bytes() / 8;
                backend.memory.store(usize::from(word) % words * 8, value);
            }
        }
    }

    /// A transfer of any length, in as many requests as it takes.
    fn transfer(&mut self, operation: Operation, sector: u64, sectors: usize) {
        if check(&self.limits, operation, sector, sectors as u64).is_err() {
            return;
        }
        let mut next = sector;
        for part in cut(sector, sectors, self.limits.segments) {
            assert!(part.sector == next && part.sectors > 0, "{part:?} is not what comes next");
            next += part.sectors as u64;
            let count = part.sectors.div_ceil(SECTORS_A_PAGE);
            assert!(count <= self.limits.segments, "a request of {count} segments");
            let pages: Vec<GrantRef> = (0..count as u32).map(|page| GrantRef(page + 100)).collect();
            let segments = spread(part.sectors, &pages);
            let covered: usize = segments.iter().map(|one| usize::from(one.last - one.first) + 1).sum();
            assert_eq!((segments.len(), covered), (count, part.sectors), "segments that don't fit the request");
            self.begin(Meant { operation, sector: part.sector, sectors: part.sectors as u64, segments });
        }
        assert_eq!(next, sector + sectors as u64, "a transfer that is cut short");
    }

    fn begin(&mut self, meant: Meant) {
        let number = self.begun.len();
        let Ok(id) = begin(&mut self.table, number) else {
            assert_eq!(self.table.len(), self.backend.size as usize, "there is room, but no slot");
            return;
        };
        let Meant { operation, sector, sectors, ref segments } = meant;
        let table = (segments.len() > DIRECT).then(|| {
            self.tables.push(segments.iter().map(encode_segment).collect());
            GrantRef(self.tables.len() as u32 - 1)
        });
        self.ring.put(&encode(&Request { operation, handle: HANDLE, id, sector, sectors, segments, table }));
        assert!(!self.begun.iter().zip(&self.ended).any(|((known, _), ended)| *known == id && !ended), "an id twice");
        self.begun.push((id, meant));
        self.said.push(None);
        self.ended.push(false);
        self.coming.push_back(number);
    }

    fn publish(&mut self) {
        let _ = self.ring.publish();
        let under_way = self.backend.memory.load_u32(REQ_PROD).wrapping_sub(self.backend.answered);
        assert!(self.backend.lied || under_way <= self.backend.size, "{under_way} requests in the ring");
    }

    /// The backend takes so many requests, and sees what was meant.
    fn take(&mut self, most: usize) {
        for _ in 0..most {
            let backend = &mut self.backend;
            if backend.taken == backend.memory.load_u32(REQ_PROD) {
                break;
            }
            let place = backend.entry(backend.taken);
            let words: [u64; WORDS] = std::array::from_fn(|word| backend.memory.load(place + 8 * word));
            backend.taken = backend.taken.wrapping_add(1);
            backend.open.push(words[1]);
            if let (Some(number), false) = (self.coming.pop_front(), backend.lied) {
                let (id, meant) = &self.begun[number];
                assert_eq!(words[1], *id);
                assert_eq!(self.read(&words).as_ref(), Some(meant), "the backend understands something else");
            }
        }
    }

    /// A request, as a backend reads it.
    fn read(&self, words: &[u64; WORDS]) -> Option<Meant> {
        let first = words[0];
        let is_indirect = first as u8 == INDIRECT_OPERATION;
        let (number, count, handle) = match is_indirect {
            true => ((first >> 8) as u8, (first >> 16) as u16 as usize, words[3] as u16),
            false => (first as u8, (first >> 8) as u8 as usize, (first >> 16) as u16),
        };
        let all = [Operation::Read, Operation::Write, Operation::Flush, Operation::Discard];
        let operation = all.into_iter().find(|operation| *operation as u8 == number)?;
        let encoded = match is_indirect {
            true => self.tables.get((words[3] >> 32) as usize)?.get(..count)?,
            false if operation == Operation::Discard => &[],
            false => words.get(3..3 + count)?,
        };
        let segment =
            |word: &u64| Segment { page: GrantRef(*word as u32), first: (word >> 32) as u8, last: (word >> 40) as u8 };
        let segments: Vec<Segment> = encoded.iter().map(segment).collect();
        let covered = segments.iter().map(|one| u64::from(one.last - one.first) + 1).sum();
        let sectors = if operation == Operation::Discard { words[3] } else { covered };
        (handle == HANDLE).then_some(Meant { operation, sector: words[2], sectors, segments })
    }

    fn collect(&mut self) {
        let Self { ring, table, begun, ended, said, backend, .. } = self;
        let collected = collect(ring, table, &mut |number, status| {
            assert!(!std::mem::replace(&mut ended[number], true), "request {number} ended twice");
            assert!(backend.scribbled || backend.told.contains(&begun[number].0), "request {number} ended by itself");
            assert!(backend.lied || said[number] == Some(status), "request {number} ended with {status}");
        });
        self.lie = collected.is_err();
        assert!(!self.lie || self.backend.lied, "{collected:?}, of an honest backend");
    }

    fn end(mut self) -> Seen {
        if !self.backend.lied {
            self.publish();
            self.take(usize::MAX);
            for id in std::mem::take(&mut self.backend.open) {
                self.backend.answer(id, 0);
                if let Some(number) = self.begun.iter().rposition(|(known, _)| *known == id) {
                    self.said[number].get_or_insert(0);
                }
            }
            self.collect();
            assert!(self.table.is_empty(), "{} requests have not ended", self.table.len());
        }
        let ended = self.ended.iter().filter(|ended| **ended).count();
        // Those that are given up are those that have not ended.
        for number in self.table.drain() {
            assert!(!std::mem::replace(&mut self.ended[number], true), "request {number} had ended already");
        }
        assert!(self.ended.iter().all(|ended| *ended), "a request was lost");
        Seen { begun: self.begun.len(), ended, lie: self.lie }
    }
}

impl Backend {
    fn entry(&self, number: u32) -> usize {
        64 + (number % self.size) as usize * ENTRY
    }

    fn answer(&mut self, id: u64, status: i16) {
        self.told.insert(id);
        let place = self.entry(self.answered);
        self.memory.store(place, id);
        self.memory.store(place + 8, u64::from(status as u16) << 16);
        self.answered = self.answered.wrapping_add(1);
        self.memory.store_u32(RSP_PROD, self.answered);
    }
}
