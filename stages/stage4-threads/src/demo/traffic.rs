//! The demo `app=traffic`: blocks of memory that threads on all vCPUs take, fill, hand on to others, and give back.

use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::cpu_set::CpuSet;
use crate::smp;
use crate::sync::Mutex;
use crate::thread::{self, Builder, JoinHandle};
use crate::time::now;

/// Blocks that a thread keeps, and that lie between two threads, at most.
const KEPT: usize = 64;
/// The largest block. Those above 2 KiB come from behind the caches.
const LARGEST: u64 = 6000;

/// Numbers that look random: each step of a linear congruence, its upper half.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A block and what must be in it.
struct Piece {
    bytes: Vec<u8>,
    seed: u8,
}

impl Piece {
    /// A block of some size; `None` if there is no memory.
    fn new(numbers: &mut Numbers) -> Option<Self> {
        let length = match numbers.next(8) {
            0 => numbers.next(LARGEST),
            1..4 => numbers.next(256),
            _ => numbers.next(64),
        } as usize
            + 1;
        let seed = numbers.next(256) as u8;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).ok()?;
        bytes.extend((0..length).map(|index| pattern(seed, index)));
        Some(Self { bytes, seed })
    }

    fn is_whole(&self) -> bool {
        self.bytes.iter().enumerate().all(|(index, byte)| *byte == pattern(self.seed, index))
    }
}

fn pattern(seed: u8, index: usize) -> u8 {
    seed.wrapping_add((index as u8).wrapping_mul(31))
}

/// What a thread has seen.
#[derive(Default)]
struct Seen {
    wrong: u64,
    refused: u64,
    handed_on: u64,
}

/// Has a thread on each vCPU do `count=` steps, and compares the memory before and after.
pub(super) fn traffic(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 10_000);
    super::warm_up();
    round(count.min(1000), 1);
    let before = settled();
    let start = now();
    let seen = round(count, super::number(command_line, "seed", 7));
    let took = now().since(start);
    let after = settled();
    let threads = smp::online().iter().count() as u64;
    println!(
        "{} steps on {threads} vCPUs in {} ms: {} blocks handed on",
        threads * count,
        took.as_millis(),
        seen.handed_on
    );
    println!("{} blocks wrong, {} refused", seen.wrong, seen.refused);
    println!("allocations {} frees {}", after.allocations - before.allocations, after.frees - before.frees);
    println!("in use before and after: {} bytes more", after.used as i64 - before.used as i64);
}

/// What the heap holds once other vCPUs have freed what is left of threads that have ended.
fn settled() -> memory::heap::Statistics {
    thread::sleep(Duration::from_millis(200));
    memory::heap::statistics()
}

fn round(count: u64, seed: u64) -> Seen {
    let between = Arc::new(Mutex::new(Vec::new()));
    if between.lock().try_reserve_exact(KEPT).is_err() {
        println!("no memory to begin with");
    }
    let threads = smp::online().iter().filter_map(|cpu| {
        let between = between.clone();
        let there = Builder::new().name("trader").affinity(CpuSet::one(cpu));
        there.spawn(move || trade(&between, count, Numbers(seed << 32 | u64::from(cpu)))).ok()
    });
    let threads: Vec<JoinHandle<Seen>> = threads.collect();
    let mut all = Seen::default();
    for seen in threads.into_iter().map(JoinHandle::join) {
        all.wrong += seen.wrong;
        all.refused += seen.refused;
        all.handed_on += seen.handed_on;
    }
    all.wrong += between.lock().iter().filter(|piece: &&Piece| !piece.is_whole()).count() as u64;
    all
}

/// One thread's steps: makes a block, drops one, leaves one for others, or takes one that another has left.
fn trade(between: &Mutex<Vec<Piece>>, count: u64, mut numbers: Numbers) -> Seen {
    let mut seen = Seen::default();
    let mut kept: Vec<Piece> = Vec::with_capacity(KEPT);
    for _ in 0..count {
        match numbers.next(4) {
            0 | 1 if kept.len() < KEPT => match Piece::new(&mut numbers) {
                Some(piece) => kept.push(piece),
                None => seen.refused += 1,
            },
            2 => {
                let mut between = between.lock();
                let there = between.len() as u64;
                if there > 0 && (numbers.next(2) == 0 || there as usize == KEPT) && kept.len() < KEPT {
                    kept.push(between.swap_remove(numbers.next(there) as usize));
                } else if let Some(piece) = kept.pop().filter(|_| (there as usize) < KEPT) {
                    between.push(piece);
                    seen.handed_on += 1;
                }
            }
            _ if !kept.is_empty() => {
                let piece = kept.swap_remove(numbers.next(kept.len() as u64) as usize);
                seen.wrong += u64::from(!piece.is_whole());
            }
            _ => {}
        }
    }
    seen.wrong += kept.iter().filter(|piece| !piece.is_whole()).count() as u64;
    seen
}
