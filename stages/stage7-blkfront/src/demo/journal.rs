//! What is safe when the guest dies at any moment: `app=journal`.
//!
//! Round after round, from 1 on, it writes eight blocks through a cache, flushes, and says so. Which blocks, and what, follows from the seed and the
//! round: see [`block`] and [`word`]. So after a violent end somebody else can tell from the image what had been flushed.
//!
//! Invariant: `flushed N` is said only when round N, and all before it, are on the disk.

use alloc::vec;

use console::boot_info::CommandLine;
use console::println;

use crate::block_cache::BLOCK;
use crate::cached::CachedDisk;
use crate::disk::Disk;
use crate::error::DiskError;

/// Blocks that a round writes.
const BLOCKS: u64 = 8;
/// Slots of the cache: fewer than the disk has blocks.
const SLOTS: usize = 40;

pub(super) fn journal(line: CommandLine<'_>) {
    let seed = line.get("seed").and_then(|seed| seed.parse().ok()).unwrap_or(1);
    if let Err(error) = run(seed) {
        println!("{error}");
    }
}

fn run(seed: u64) -> Result<(), DiskError> {
    let disk = CachedDisk::new(Disk::open("xvda")?, SLOTS)?;
    let blocks = disk.disk().size() / BLOCK as u64;
    let mut bytes = vec![0; BLOCK];
    for round in 1.. {
        for number in 0..BLOCKS {
            let block = block(seed, round, number, blocks);
            for (index, place) in bytes.chunks_exact_mut(8).enumerate() {
                place.copy_from_slice(&word(round, block, index as u64).to_le_bytes());
            }
            disk.write(block * BLOCK as u64, &bytes)?;
        }
        disk.flush()?;
        println!("flushed {round}");
    }
    Ok(())
}

/// The block that a round writes as its number `number`, of so many that the disk has.
fn block(seed: u64, round: u64, number: u64, blocks: u64) -> u64 {
    mix(seed.wrapping_add(round * 64).wrapping_add(number)) % blocks
}

/// The word of this index in a block that a round has written. The first one of each sector is the round.
fn word(round: u64, block: u64, index: u64) -> u64 {
    if index.is_multiple_of(64) { round } else { mix(round << 32 | block << 16 | index) }
}

fn mix(number: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let half = number.wrapping_mul(ODD);
    let whole = (half ^ half >> 32).wrapping_mul(ODD);
    whole ^ whole >> 32
}
