//! The kernel's own set of free blocks: for each order a tree of bitmaps.
//!
//! The leaves have a bit for each block; a bit of the level above says whether any of 64 bits below is set, and so on
//! to a root of one word. So the next block is found by a few `trailing_zeros`, however much memory there is,
//! and all orders together take two bits and a little for each frame.
//!
//! Invariant: a word means something only if the bit above it is set; whoever sets that bit writes the whole word.
//! Therefore only the roots need to be cleared at first, and a guest with much memory starts as fast as one with
//! little.

use console::types::Pfn;

use crate::free_blocks::{FreeBlocks, ORDERS};

const BITS: u64 = u64::BITS as u64;
/// Levels in the largest tree: enough for 2^30 frames.
const LEVELS: usize = 5;

/// Free blocks, in memory that somebody gives.
pub struct BlockTrees<'memory> {
    words: &'memory mut [u64],
    trees: [Tree; ORDERS as usize],
    frames: u64,
}

/// Where the levels of a tree are among the words, the root first.
#[derive(Clone, Copy, Default)]
struct Tree {
    starts: [u32; LEVELS],
    levels: usize,
    /// How many blocks there can be.
    blocks: u64,
}

impl Tree {
    /// The tree for this many blocks, in the words from `start` on. Returns also the first word behind it.
    fn new(blocks: u64, start: usize) -> (Self, usize) {
        let mut tree = Self { blocks, ..Self::default() };
        let mut sizes = [0; LEVELS];
        let mut bits = blocks;
        while tree.levels == 0 || bits > 1 {
            bits = bits.div_ceil(BITS).max(1);
            sizes[tree.levels] = bits;
            tree.levels += 1;
        }
        let mut end = start;
        for (place, size) in tree.starts.iter_mut().zip(sizes[..tree.levels].iter().rev()) {
            *place = end as u32;
            end += *size as usize;
        }
        (tree, end)
    }

    /// The word, and the bit in it, that stand at `level` for block number `block`.
    fn place(&self, level: usize, block: u64) -> (usize, u64) {
        let bit = block >> (6 * (self.levels - 1 - level));
        (self.starts[level] as usize + (bit / BITS) as usize, 1 << (bit % BITS))
    }
}

impl<'memory> BlockTrees<'memory> {
    /// How many words it takes for this many frames.
    pub fn words(frames: u64) -> usize {
        (0..ORDERS).fold(0, |start, order| Tree::new(frames >> order, start).1)
    }

    /// An empty set for the frames from 0 to before `frames`.
    ///
    /// # Panics
    /// If there are fewer than [`BlockTrees::words`] words, or more than 2^30 frames.
    pub fn new(words: &'memory mut [u64], frames: u64) -> Self {
        let mut trees = [Tree::default(); ORDERS as usize];
        let mut end = 0;
        for (order, tree) in trees.iter_mut().enumerate() {
            (*tree, end) = Tree::new(frames >> order, end);
            words[tree.starts[0] as usize] = 0;
        }
        assert!(end <= words.len());
        Self { words, trees, frames }
    }

    /// The first block of this tree at or behind `from`.
    fn search(&self, tree: &Tree, from: u64) -> Option<u64> {
        let mut block = from;
        let mut level = 0;
        // Down while there is something at or behind `block`; from the root again where there is not.
        loop {
            if block >= tree.blocks {
                return None;
            }
            let (word, bit) = tree.place(level, block);
            let shift = 6 * (tree.levels - 1 - level);
            let here = self.words[word] & bit.wrapping_neg();
            if here == 0 {
                // Nothing in the rest of this word, so on behind what it covers. Whether the words there mean anything,
                // the levels above know.
                if level == 0 {
                    return None;
                }
                block = (((block >> shift) / BITS + 1) * BITS) << shift;
                level = 0;
                continue;
            }
            if here & bit == 0 {
                // Further on in this word, at the very beginning of what is below.
                block = ((block >> shift) / BITS * BITS + u64::from(here.trailing_zeros())) << shift;
            }
            if level + 1 == tree.levels {
                return Some(block);
            }
            level += 1;
        }
    }
}

impl FreeBlocks for BlockTrees<'_> {
    fn frames(&self) -> u64 {
        self.frames
    }

    fn contains(&self, order: u32, first: Pfn) -> bool {
        let tree = &self.trees[order as usize];
        let block = first.0 >> order;
        block < tree.blocks
            && (0..tree.levels).all(|level| {
                let (word, bit) = tree.place(level, block);
                self.words[word] & bit != 0
            })
    }

    fn next(&self, order: u32, from: Pfn) -> Option<Pfn> {
        let tree = &self.trees[order as usize];
        let block = self.search(tree, from.0.div_ceil(1 << order))?;
        Some(Pfn(block << order))
    }

    fn insert(&mut self, order: u32, first: Pfn) {
        let tree = &self.trees[order as usize];
        let block = first.0 >> order;
        assert!(
            block < tree.blocks && first.0.is_multiple_of(1 << order),
            "there is no block of order {order} at {first:?}"
        );
        let mut fresh = false;
        for level in 0..tree.levels {
            let (word, bit) = tree.place(level, block);
            let before = if fresh { 0 } else { self.words[word] };
            self.words[word] = before | bit;
            fresh = before & bit == 0;
        }
    }

    fn remove(&mut self, order: u32, first: Pfn) {
        assert!(self.contains(order, first), "no block of order {order} at {first:?} is free");
        let tree = &self.trees[order as usize];
        for level in (0..tree.levels).rev() {
            let (word, bit) = tree.place(level, first.0 >> order);
            self.words[word] &= !bit;
            if self.words[word] != 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::vec;

    #[test]
    fn it_is_the_set_that_a_plain_one_is_whatever_its_memory_held() {
        for seed in 0..15 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let frames = rng.u64(1..20_000);
            let mut words = vec![0; BlockTrees::words(frames)];
            words.fill_with(|| rng.u64(..));
            let mut trees = BlockTrees::new(&mut words, frames);
            let mut plain = BTreeSet::new();
            for _ in 0..1500 {
                let order = rng.u32(..ORDERS.min(frames.ilog2() + 1));
                let first = Pfn(rng.u64(..frames >> order) << order);
                assert_eq!(trees.contains(order, first), plain.contains(&(order, first)));
                let next = plain.range((order, first)..(order + 1, Pfn(0))).next().map(|(_, first)| *first);
                assert_eq!(trees.next(order, first), next, "seed {seed}");
                if plain.remove(&(order, first)) {
                    trees.remove(order, first);
                } else {
                    plain.insert((order, first));
                    trees.insert(order, first);
                }
            }
        }
    }

    #[test]
    fn two_bits_and_a_little_for_each_frame() {
        let frames: u64 = 2 << 20;
        assert!(BlockTrees::words(frames) as u64 * BITS <= frames * 21 / 10);
        assert_eq!(Tree::new(frames, 0).0.levels, 4);
    }
}
