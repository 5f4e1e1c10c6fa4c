//! A backend that does what it likes with the ring, over the same code that the driver has. (It uses exercises 7a and 7b.)
//!
//! Everything that it does is drawn from a seed, so what was found once is found again.

use std::cell::RefCell;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use crate::blkif::{Operation, WORDS};
use crate::completions::{Table, begin, collect};
use crate::requests::{Request, encode};
use crate::ring::{ENTRY, Ring, Shared};
use fastrand::Rng;

const REQ_PROD: usize = 0;
const RSP_PROD: usize = 8;

/// Memory that both sides reach.
#[derive(Clone)]
struct Memory(Rc<RefCell<Vec<u8>>>);

impl Memory {
    fn new(pages: usize) -> Self {
        Self(Rc::new(RefCell::new(vec![0; pages * 4096])))
    }
}

impl Shared for Memory {
    fn bytes(&self) -> usize {
        self.0.borrow().len()
    }
    fn load_u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.0.borrow()[offset..offset + 4].try_into().unwrap())
    }
    fn store_u32(&self, offset: usize, value: u32) {
        self.0.borrow_mut()[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    fn load(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.0.borrow()[offset..offset + 8].try_into().unwrap())
    }
    fn store(&self, offset: usize, value: u64) {
        self.0.borrow_mut()[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
    }
}

fn request(id: u64) -> [u64; WORDS] {
    let (operation, segments) = (Operation::Flush, &[]);
    encode(&Request { operation, handle: 0, id, sector: 0, sectors: 0, segments, table: None })
}

/// The backend's side: takes requests and answers them.
struct Backend {
    memory: Memory,
    size: u32,
    consumed: u32,
    answered: u32,
    open: Vec<u64>,
}

impl Backend {
    fn entry(&self, number: u32) -> usize {
        64 + (number % self.size) as usize * ENTRY
    }

    fn take(&mut self) {
        while self.consumed != self.memory.load_u32(REQ_PROD) {
            self.open.push(self.memory.load(self.entry(self.consumed) + 8));
            self.consumed = self.consumed.wrapping_add(1);
        }
    }

    fn answer(&mut self, id: u64, status: i16) {
        let place = self.entry(self.answered);
        self.memory.store(place, id);
        self.memory.store(place + 8, u64::from(status as u16) << 16);
        self.answered = self.answered.wrapping_add(1);
        self.memory.store_u32(RSP_PROD, self.answered);
    }
}

fn pair(pages: usize) -> (Ring<Memory>, Backend) {
    let memory = Memory::new(pages);
    let ring = Ring::new(memory.clone());
    let size = ring.size();
    (ring, Backend { memory, size, consumed: 0, answered: 0, open: Vec::new() })
}

#[test]
fn an_honest_backend_ends_every_request_once_in_rings_of_all_sizes() {
    for (pages, size) in [(1, 32), (2, 64), (4, 128), (8, 256)] {
        let (mut ring, mut backend) = pair(pages);
        assert_eq!(ring.size(), size);
        let (mut table, mut ended, mut rng) = (Table::new(size), Vec::new(), Rng::with_seed(pages as u64));
        for number in 0..2000_u32 {
            if let Ok(id) = begin(&mut table, number) {
                ring.put(&request(id));
            }
            if rng.u8(..4) == 0 {
                let _ = ring.publish();
                backend.take();
                while !backend.open.is_empty() && rng.u8(..5) != 0 {
                    let id = backend.open.swap_remove(rng.usize(..backend.open.len()));
                    backend.answer(id, 0);
                }
                collect(&mut ring, &mut table, &mut |item, _| ended.push(item)).unwrap();
            }
        }
        let _ = ring.publish();
        backend.take();
        while let Some(id) = backend.open.pop() {
            backend.answer(id, 0);
        }
        collect(&mut ring, &mut table, &mut |item, _| ended.push(item)).unwrap();
        let count = ended.len();
        ended.sort_unstable();
        ended.dedup();
        assert!(table.is_empty() && ended.len() == count && count > 1000, "{count} of a ring of {size}");
    }
}

#[test]
fn a_backend_that_writes_anything_anywhere_ends_nothing_twice() {
    let (mut lies, mut all) = (0, 0);
    for seed in 0..3000 {
        let mut rng = Rng::with_seed(seed);
        let (mut ring, mut backend) = pair(1 << rng.usize(..3));
        let mut table = Table::new(ring.size());
        let (mut begun, mut ended) = (0_u32, Vec::new());
        for _ in 0..rng.usize(1..60) {
            while rng.bool() {
                let Ok(id) = begin(&mut table, begun) else { break };
                begun += 1;
                ring.put(&request(id));
            }
            let _ = ring.publish();
            backend.take();
            match rng.u8(..10) {
                0 => backend.memory.store_u32(rng.usize(..4) * 4, rng.u32(..)),
                1 => backend.memory.store(rng.usize(..backend.memory.bytes() / 8) * 8, rng.u64(..)),
                2 => backend.answer(rng.u64(..), rng.i16(..)),
                3 => backend.answer(u64::from(rng.u32(..4)) << 32 | u64::from(rng.u32(..40)), 0),
                4 => {
                    let again = backend.answered.wrapping_sub(rng.u32(..3));
                    backend.answered = again;
                }
                _ => {
                    while !backend.open.is_empty() && rng.bool() {
                        let id = backend.open.swap_remove(rng.usize(..backend.open.len()));
                        backend.answer(id, rng.i16(..));
                    }
                }
            }
            if collect(&mut ring, &mut table, &mut |item, _| ended.push(item)).is_err() {
                lies += 1;
                break; // the driver listens no more
            }
        }
        let left = table.drain();
        all += begun as usize;
        let mut both = ended;
        both.extend(left);
        both.sort_unstable();
        assert!(both.into_iter().eq(0..begun), "seed {seed}: a request was ended twice, or never");
    }
    assert!(lies > 500 && all > 10_000, "{lies} lies, {all} requests");
}

#[test]
fn an_event_is_wanted_when_the_backend_has_asked_for_it() {
    let (mut ring, backend) = pair(1);
    ring.put(&request(1));
    assert!(ring.publish(), "the first request wakes the backend");
    ring.put(&request(2));
    assert!(!ring.publish(), "it has not asked for the second");
    backend.memory.store_u32(4, 4);
    ring.put(&request(3));
    assert!(!ring.publish());
    ring.put(&request(4));
    assert!(ring.publish(), "it has asked for the fourth");
}
