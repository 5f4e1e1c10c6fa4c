//! What checks and host tests put in the place of the real thing.

use core::ops::Range;

use alloc::vec::Vec;

use crate::grant_entry::FreeList;

/// A grant table of which only the free list is there.
pub struct References {
    first: Option<u32>,
    next: Vec<Option<u32>>,
    /// By how much it will grow, the last first.
    sizes: Vec<u32>,
    grown: u32,
}

impl References {
    /// A table without any entry, which grows by these sizes, the last first.
    pub fn growing_by(sizes: &[u32]) -> Self {
        Self { first: None, next: Vec::new(), sizes: sizes.to_vec(), grown: 0 }
    }

    /// How many entries it has.
    pub fn size(&self) -> usize {
        self.next.len()
    }

    /// How often it has grown.
    pub fn grown(&self) -> u32 {
        self.grown
    }
}

impl FreeList for References {
    fn first(&self) -> Option<u32> {
        self.first
    }

    fn set_first(&mut self, reference: Option<u32>) {
        self.first = reference;
    }

    fn next(&self, reference: u32) -> Option<u32> {
        self.next[reference as usize]
    }

    fn set_next(&mut self, reference: u32, next: Option<u32>) {
        self.next[reference as usize] = next;
    }

    fn grow(&mut self) -> Option<Range<u32>> {
        let old = self.next.len();
        let new = old + self.sizes.pop()? as usize;
        self.next.resize(new, None);
        self.grown += 1;
        Some(old as u32..new as u32)
    }
}
