//! Chains: which clusters a file has, as the table on the disk says.
//!
//! An entry of the table is the number of the next cluster. Nothing keeps a table from being wrong: a chain may end too early, lead to a
//! cluster that is free, or back to itself. The crate looks for some of that. Here it is looked for before a chain is used, so that whatever
//! is done with it ends, and finds what it should.
//!
//! Invariant: a chain that is [`Known`] has no loop, and all clusters that its file needs.

use hadris_fat::sync::Fat;

use super::layout::Layout;
use super::storage::Cursor;
use super::{Corrupt, Trouble};

/// The most bytes that a directory may have: 65536 entries of 32, by the specification.
const LARGEST_DIRECTORY: u64 = 65536 * 32;

/// A chain that was looked at, and a place in it, from which one that follows is found soon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Its first cluster.
    pub first: u64,
    /// How many clusters it has.
    pub length: u64,
    /// A cluster of it: which one, counted from 0, and its number.
    place: (u64, u64),
}

impl Known {
    // ANCHOR: known
    /// Looks at the chain that begins with this cluster; it ends, or it is corrupt.
    pub fn new(fat: &Fat, cursor: &mut Cursor, layout: &Layout, first: u64) -> Result<Self, Trouble> {
        // A hare and a tortoise that jumps to the hare's place after 1, 2, 4, 8 steps and so on (R. P. Brent, 1980): in a
        // loop the hare comes by where the tortoise sits. It takes no memory.
        let (mut hare, mut tortoise) = (first, first);
        let (mut length, mut jump) = (1, 1);
        layout.offset(first)?;
        while let Some(next) = fat.next_cluster(cursor, hare as usize)? {
            hare = next.into();
            if hare == tortoise {
                return Err(Corrupt.into());
            }
            length += 1;
            if length == jump * 2 {
                (tortoise, jump) = (hare, length);
            }
        }
        Ok(Self { first, length, place: (0, first) })
    }
    // ANCHOR_END: known

    /// The number of a cluster of the chain, counted from 0.
    pub fn cluster(&mut self, fat: &Fat, cursor: &mut Cursor, index: u64) -> Result<u64, Trouble> {
        if index < self.place.0 {
            self.place = (0, self.first);
        }
        while self.place.0 < index {
            let next = fat.next_cluster(cursor, self.place.1 as usize)?.ok_or(Corrupt)?;
            self.place = (self.place.0 + 1, next.into());
        }
        Ok(self.place.1)
    }
}

/// Looks at a directory that begins with this cluster: it must not be larger than one can be, and so it ends.
pub(super) fn look_at_directory(layout: &Layout, fat: &Fat, cursor: &mut Cursor, first: u64) -> Result<(), Trouble> {
    layout.offset(first)?;
    let most = LARGEST_DIRECTORY.div_ceil(layout.cluster) as u32;
    Ok(fat.walk_chain(cursor, first as u32, most, |_| {}).map(drop)?)
}
