//! Guests that are destroyed while they write, and what is on their disks then.
//!
//! The guest's `app=journal` writes eight blocks a round, flushes, and says `flushed N`: see
//! `stages/stage7-blkfront/src/demo/journal.rs`, which has the blocks and what is in them. The disk has a cache, as real ones have, and its
//! power is pulled with the guest's end: what the guest has written but not flushed is gone, though the backend has said that it was done.
//!
//! Whatever was said to be flushed must be there. A sector may also be of a later round, as that was under way; but never of an
//! earlier one, and never a mixture.

use super::Ground;
use crate::domain::Domain;
use crate::error::{Error, Kind, Result};
use crate::machine::{BlockDevice, Disk, Geometry};
use std::time::Duration;

/// More room in the cache than on the disk, so nothing leaves it but by a flush.
const DISK: Geometry = Geometry { mib: 1, sector: 512, cache_mib: 4, latency_ms: 0 };
const BYTES: usize = 1 << 20;
const BLOCK: usize = 4096;
const BLOCKS: u64 = (BYTES / BLOCK) as u64;
const SECTOR: usize = 512;

/// Destroys so many guests, each at a point of its own.
pub fn destroy(ground: &mut Ground, count: u64) -> Result<String> {
    let (mut rounds, mut later) = (0, 0);
    for seed in 1..=count {
        let seen = one(ground, seed)?;
        rounds += seen.flushed;
        later += seen.later;
    }
    Ok(format!("all of {rounds} flushed rounds were there, and {later} sectors of rounds that were under way"))
}

/// What one guest left behind.
struct Seen {
    flushed: u64,
    later: u64,
}

fn one(ground: &Ground, seed: u64) -> Result<Seen> {
    let agent = ground.machine.agent();
    let device = BlockDevice::new(agent, "soak", DISK)?;
    let mut options = ground.guest(&format!("app=journal seed={seed}"));
    options.disks.push(Disk { path: device.path(), vdev: "xvda".into(), writable: true });
    let mut random = fastrand::Rng::with_seed(seed);
    let (least, pause) = (random.u64(1..40), random.u64(..30));
    let mut domain = Domain::create(ground.machine, &options)?;
    domain.listen(ground.machine.within(90.0), |domain| last_flushed(&domain.text()) >= least)?;
    std::thread::sleep(Duration::from_millis(pause));
    agent.destroy(domain.name())?;
    let flushed = last_flushed(&domain.text());
    if flushed < least {
        return Err(domain.failed("ended by itself"));
    }
    device.pull_the_plug()?;
    let image = device.get()?;
    match look(&image, seed, flushed) {
        Ok(later) => Ok(Seen { flushed, later }),
        Err(what) => {
            let text = format!("seed {seed}, destroyed after it had said `flushed {flushed}`: {what}");
            Err(Error::new(Kind::Guest, text))
        }
    }
}

/// The last round that a guest has said to be flushed. A line that hasn't ended yet doesn't count.
fn last_flushed(text: &str) -> u64 {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(|line| line.strip_prefix("flushed ")?.parse().ok()).next_back().unwrap_or(0)
}

/// Compares an image with what must be there. Returns how many sectors are of later rounds.
fn look(image: &[u8], seed: u64, flushed: u64) -> std::result::Result<u64, String> {
    let mut expected = vec![0; BLOCKS as usize];
    for round in 1..=flushed {
        (0..8).for_each(|number| expected[block(seed, round, number) as usize] = round);
    }
    let mut later = 0;
    for (index, sector) in image.chunks(SECTOR).enumerate() {
        let (block, first) = ((index / 8) as u64, (index % 8 * 64) as u64);
        let words: Vec<u64> = sector.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        let (round, wanted) = (words[0], expected[block as usize]);
        let place = || format!("sector {} of block {block}", index % 8);
        if round < wanted {
            return Err(format!("{} is of round {round}, and round {wanted} had been flushed", place()));
        }
        let written = round == 0 || (0..8).any(|number| self::block(seed, round, number) == block);
        let whole = (0..64).all(|at| words[at as usize] == if round == 0 { 0 } else { word(round, block, first + at) });
        if !written || !whole {
            return Err(format!("{} is not what round {round} wrote", place()));
        }
        later += u64::from(round > flushed);
    }
    Ok(later)
}

fn block(seed: u64, round: u64, number: u64) -> u64 {
    mix(seed.wrapping_add(round * 64).wrapping_add(number)) % BLOCKS
}

fn word(round: u64, block: u64, index: u64) -> u64 {
    if index.is_multiple_of(64) { round } else { mix(round << 32 | block << 16 | index) }
}

fn mix(number: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let half = number.wrapping_mul(ODD);
    let whole = (half ^ half >> 32).wrapping_mul(ODD);
    whole ^ whole >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(seed: u64, rounds: u64) -> Vec<u8> {
        let mut image = vec![0; BYTES];
        for round in 1..=rounds {
            for number in 0..8 {
                let block = block(seed, round, number);
                for index in 0..512 {
                    let at = block as usize * BLOCK + index as usize * 8;
                    image[at..at + 8].copy_from_slice(&word(round, block, index).to_le_bytes());
                }
            }
        }
        image
    }

    #[test]
    fn what_was_flushed_or_is_later_is_right() {
        assert_eq!(look(&image(3, 10), 3, 10), Ok(0));
        assert!(look(&image(3, 12), 3, 10).unwrap() > 0);
    }

    #[test]
    fn what_is_older_torn_or_nobodys_is_told() {
        assert!(look(&image(3, 9), 3, 10).unwrap_err().contains("round 10 had been flushed"));
        let mut torn = image(3, 10);
        torn[block(3, 10, 0) as usize * BLOCK + 100] ^= 1;
        assert!(look(&torn, 3, 10).unwrap_err().contains("is not what round 10 wrote"));
    }

    #[test]
    fn half_a_line_is_no_word() {
        assert_eq!(last_flushed("flushed 4\nflushed 5\nflushed 1"), 5);
        assert_eq!(last_flushed("nothing"), 0);
    }
}
