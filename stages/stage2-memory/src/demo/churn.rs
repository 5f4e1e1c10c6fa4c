//! `app=churn count=100000 seed=1`: blocks of any size come and go, and each must hold what was written to it.

use alloc::vec::Vec;

use console::boot_info::CommandLine;
use console::println;

use crate::{frames, heap};

/// Blocks at a time.
const BLOCKS: usize = 1000;

/// Takes and frees blocks at random, `count=` times.
pub(super) fn churn(command_line: CommandLine<'_>) {
    let number = |key| command_line.get(key).and_then(|value| value.parse::<u64>().ok());
    let count = number("count").unwrap_or(100_000);
    let mut random = Random(number("seed").unwrap_or(1));
    let before = heap::statistics();
    let frames_before = frames::statistics().free;
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let (mut wrong, mut refused) = (0, 0);
    for step in 0..count {
        if blocks.len() < BLOCKS && (blocks.is_empty() || random.below(2) == 0) {
            let size = random.size();
            let mut block = Vec::new();
            if block.try_reserve_exact(size).is_ok() && blocks.try_reserve(1).is_ok() {
                block.resize(size, (size ^ step as usize) as u8);
                blocks.push(block);
            } else {
                refused += 1;
            }
        } else {
            let block = blocks.swap_remove(random.below(blocks.len() as u64) as usize);
            let first = block.first().copied();
            wrong += u64::from(block.iter().any(|byte| Some(*byte) != first));
        }
    }
    drop(blocks);
    let after = heap::statistics();
    println!("{count} steps: {wrong} blocks wrong, {refused} refused");
    println!("in use before {} and after {} bytes", before.used, after.used);
    println!("allocations {} frees {}", after.allocations - before.allocations, after.frees - before.frees);
    println!("heap: {} KiB; frames taken: {}", after.mapped >> 10, frames_before - frames::statistics().free);
}

/// Numbers that look random (xorshift64, by Marsaglia).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.max(1);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Mostly small, now and then large.
    fn size(&mut self) -> usize {
        let bits = self.below(12) + 1;
        let size = self.below(1 << bits) + 1;
        (if self.below(50) == 0 { size * 16 } else { size }) as usize
    }
}
