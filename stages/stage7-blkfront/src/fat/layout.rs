//! Where things are on a FAT disk: what its first sector says, and whether that can be.
//!
//! Follows Microsoft's "FAT32 File System Specification" (2000), section "Boot Sector and BPB". Multi-byte numbers have the least
//! significant byte first:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 11, 13 | 2, 1 | bytes in a sector, sectors in a cluster |
//! | 14, 16 | 2, 1 | sectors before the first table, number of tables |
//! | 17 | 2 | entries in the root directory; 0: FAT32, whose root is a file as any |
//! | 19, 32 | 2, 4 | sectors in all: the second, if the first is 0 |
//! | 22, 36 | 2, 4 | sectors in a table: the second, if the first is 0 |
//! | 44, 48 | 4, 2 | FAT32: the root's first cluster, and the sector that counts free clusters |
//!
//! The crate checks that it can compute with these. Here they are compared with the disk, and with each other: a table that is too
//! small for its clusters would have the bytes behind it taken for a part of it, and written to.
//!
//! Invariant: a cluster that a table has an entry for is on the disk, as a whole.

use super::Corrupt;

/// Bytes of the first sector that matter.
pub const BYTES: usize = 512;

/// Where the clusters of a file system are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where cluster 2 is, the first one.
    data: u64,
    /// How many bytes a cluster has.
    pub cluster: u64,
    /// The last cluster.
    last: u64,
    /// The first cluster of the root directory, if it is a file as any.
    pub root: Option<u64>,
}

impl Layout {
    /// Reads the first sector of a disk of this size.
    pub fn new(sector: &[u8; BYTES], size: u64) -> Result<Self, Corrupt> {
        let number = |at: usize, bytes: usize| {
            sector[at..at + bytes].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        let either = |short: usize, long: usize| Some(number(short, 2)).filter(|n| *n > 0).unwrap_or(number(long, 4));
        let (bytes, sectors) = (number(11, 2), number(13, 1));
        if !bytes.is_power_of_two() || !(512..=4096).contains(&bytes) || !sectors.is_power_of_two() {
            return Err(Corrupt);
        }
        let (reserved, tables, roots) = (number(14, 2), number(16, 1), number(17, 2));
        let (all, table) = (either(19, 32), either(22, 36));
        let is_fat32 = roots == 0 && number(22, 2) == 0;
        let before = reserved + tables * table + (roots * 32).div_ceil(bytes);
        let clusters = all.checked_sub(before).ok_or(Corrupt)? / sectors;
        let bits = match clusters {
            _ if is_fat32 => 32,
            0..4085 => 12,
            _ => 16,
        };
        let counts_free = !is_fat32 || (1..reserved).contains(&number(48, 2));
        let fits = all * bytes <= size && ((clusters + 2) * bits).div_ceil(8) <= table * bytes;
        if reserved == 0 || !(1..=2).contains(&tables) || clusters == 0 || !counts_free || !fits {
            return Err(Corrupt);
        }
        let root = is_fat32.then(|| number(44, 4));
        Ok(Self { data: before * bytes, cluster: sectors * bytes, last: clusters + 1, root })
    }

    /// Where a cluster is.
    pub fn offset(&self, cluster: u64) -> Result<u64, Corrupt> {
        if (2..=self.last).contains(&cluster) { Ok(self.data + (cluster - 2) * self.cluster) } else { Err(Corrupt) }
    }

    /// How many bytes all clusters have together.
    pub fn capacity(&self) -> u64 {
        (self.last - 1) * self.cluster
    }
}
