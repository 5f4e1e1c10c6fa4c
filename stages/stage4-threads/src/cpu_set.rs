//! Sets of vCPUs.
//!
//! Invariant: a vCPU beyond [`MOST`] is in no set.

use core::sync::atomic::{AtomicU64, Ordering};

/// How many vCPUs there may be.
pub const MOST: usize = 128;

/// Some vCPUs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CpuSet(u128);

impl CpuSet {
    /// All of them.
    pub const ALL: Self = Self(u128::MAX);
    /// None of them.
    pub const NONE: Self = Self(0);

    /// One of them.
    pub const fn one(cpu: u32) -> Self {
        Self::NONE.with(cpu)
    }

    /// These and one more.
    pub const fn with(self, cpu: u32) -> Self {
        if (cpu as usize) < MOST { Self(self.0 | 1 << cpu) } else { self }
    }

    /// Whether one is among them.
    pub const fn contains(self, cpu: u32) -> bool {
        (cpu as usize) < MOST && self.0 >> cpu & 1 == 1
    }

    /// Those that are in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in this one and not in the other.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first, and the others in their order.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let first = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            ((first as usize) < MOST).then_some(first)
        })
    }
}

/// A set that all vCPUs change. A reader may see one half of a change that concerns both.
pub struct SharedCpuSet([AtomicU64; MOST / 64]);

impl SharedCpuSet {
    /// A set with these.
    pub const fn new(set: CpuSet) -> Self {
        Self([AtomicU64::new(set.0 as u64), AtomicU64::new((set.0 >> 64) as u64)])
    }

    /// What is in it.
    pub fn load(&self) -> CpuSet {
        let [low, high] = &self.0;
        CpuSet(u128::from(low.load(Ordering::Relaxed)) | u128::from(high.load(Ordering::Relaxed)) << 64)
    }

    /// Makes it another.
    pub fn store(&self, set: CpuSet) {
        self.0[0].store(set.0 as u64, Ordering::Relaxed);
        self.0[1].store((set.0 >> 64) as u64, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn insert(&self, cpu: u32) {
        self.0[cpu as usize / 64].fetch_or(1 << (cpu % 64), Ordering::SeqCst);
    }

    /// Removes one. Returns whether it was there.
    pub fn remove(&self, cpu: u32) -> bool {
        let bit = 1 << (cpu % 64);
        self.0[cpu as usize / 64].fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    /// Whether one is in it.
    pub fn contains(&self, cpu: u32) -> bool {
        self.0[cpu as usize / 64].load(Ordering::SeqCst) >> (cpu % 64) & 1 == 1
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = CpuSet::one(3).with(127).with(64).with(128);
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 64, 127]);
        assert!(set.contains(127) && !set.contains(4) && !set.contains(128));
        assert_eq!(CpuSet::ALL.iter().count(), MOST);
        assert!(CpuSet::NONE.iter().next().is_none() && set.and(CpuSet::one(4)).is_empty());
        assert_eq!(set.without(CpuSet::one(64).with(5)).iter().collect::<Vec<_>>(), [3, 127]);
        let shared = SharedCpuSet::new(set);
        shared.insert(70);
        assert!(shared.remove(64) && !shared.remove(65) && shared.contains(70));
        assert_eq!(shared.load().iter().collect::<Vec<_>>(), [3, 70, 127]);
    }
}
