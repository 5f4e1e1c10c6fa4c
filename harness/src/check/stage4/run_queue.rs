//! Exercise 4b: who is picked, as a plain list of items and a count a level tell it.

use crate::check::expect::{Row, digest, list};
use fastrand::Rng;

const LEVELS: usize = 16;
const PATIENCE: u32 = 32;

/// Items in the order in which they were put, each with its level, and how often each level was passed over.
#[derive(Default)]
struct Queue {
    items: Vec<(usize, u64)>,
    counts: [u32; LEVELS],
}

impl Queue {
    fn has(&self, level: usize) -> bool {
        self.items.iter().any(|(of, _)| *of == level)
    }

    fn put(&mut self, level: usize, item: u64) {
        self.items.push((level, item));
    }

    fn remove(&mut self, index: usize) -> u64 {
        let (level, item) = self.items.remove(index);
        if !self.has(level) {
            self.counts[level] = 0;
        }
        item
    }

    fn pick(&mut self) -> Option<u64> {
        let highest = self.items.iter().map(|(level, _)| *level).max()?;
        let late = |level: &usize| *level < highest && self.has(*level) && self.counts[*level] >= PATIENCE;
        let level = (0..LEVELS).rev().find(late).unwrap_or(highest);
        for other in 0..LEVELS {
            if other == level {
                self.counts[other] = 0;
            } else if self.has(other) {
                self.counts[other] += 1;
            }
        }
        let index = self.items.iter().position(|(of, _)| *of == level)?;
        Some(self.remove(index))
    }

    fn steal(&mut self, fits: impl Fn(u64) -> bool) -> Option<u64> {
        let level = self.items.iter().filter(|(_, item)| fits(*item)).map(|(level, _)| *level).max()?;
        let index = self.items.iter().position(|(of, item)| *of == level && fits(*item))?;
        Some(self.remove(index))
    }

    fn occupied(&self) -> u32 {
        self.items.iter().fold(0, |bits, (level, _)| bits | 1 << level)
    }
}

pub fn order(rng: &mut Rng) -> Vec<Row> {
    let count = rng.usize(10..=28);
    let mut queue = Queue::default();
    (0..count).for_each(|item| queue.put(rng.usize(..LEVELS), item as u64));
    let picked: Vec<u64> = std::iter::from_fn(|| queue.pick()).collect();
    vec![Row::new(format!("{count} items of all levels")).is("order", list(picked)).is("occupied", 0)]
}

pub fn patience(rng: &mut Rng) -> Vec<Row> {
    let (high, middle, low) = (rng.usize(8..16), rng.usize(4..8), rng.usize(..4));
    let mut queue = Queue::default();
    [high, middle, low].into_iter().for_each(|level| queue.put(level, level as u64));
    let mut when = [0; LEVELS];
    for number in 1..=100 {
        let Some(level) = queue.pick().map(|level| level as usize) else { break };
        if level == high {
            queue.put(high, high as u64);
        } else {
            when[level] = number;
        }
    }
    let what = format!("levels {middle} and {low} below level {high}, which always has an item");
    let picked = Row::new(format!("{what}: the pick that took them"));
    let picked = picked.is("case", "picked").is("middle", when[middle]).is("low", when[low]);
    [middle, low].into_iter().for_each(|level| queue.put(level, level as u64));
    for _ in 0..10 {
        if queue.pick() == Some(high as u64) {
            queue.put(high, high as u64);
        }
    }
    let waiting = Row::new(format!("{what}: their counts after 10 more picks")).is("case", "waiting");
    vec![picked, waiting.is("middle", queue.counts[middle]).is("low", queue.counts[low])]
}

pub fn mixed(rng: &mut Rng) -> Vec<Row> {
    let mut queue = Queue::default();
    let (mut picked, mut states) = (Vec::new(), Vec::new());
    let mut item = 0;
    for _ in 0..400 {
        if rng.u32(..10) < 5 {
            queue.put(rng.usize(..LEVELS), item);
            item += 1;
        } else {
            picked.push(queue.pick().unwrap_or(u64::MAX));
        }
        states.push(u64::from(queue.occupied()));
        states.extend(queue.counts.iter().map(|count| u64::from(*count)));
    }
    let row = Row::new("400 random calls").is("digest", digest(picked)).is("state", digest(states));
    vec![row.is("left", queue.items.len())]
}

pub fn steal(rng: &mut Rng) -> Vec<Row> {
    let mut queue = Queue::default();
    (0..20).for_each(|item| queue.put(rng.usize(..LEVELS), item));
    let modulus = rng.u64(2..=4);
    let rest = rng.u64(..modulus);
    for _ in 0..3 {
        queue.pick();
    }
    let stolen: Vec<u64> = std::iter::from_fn(|| queue.steal(|item| item % modulus == rest)).collect();
    let row = Row::new(format!("a thief of items that are {rest} modulo {modulus}")).is("stolen", list(stolen));
    vec![row.is("counts", list(queue.counts.map(u64::from))).is("occupied", queue.occupied())]
}
