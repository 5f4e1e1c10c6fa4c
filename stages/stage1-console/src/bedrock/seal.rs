//! What marks a record as the checks' own: a code over its number and its text, under a key that nobody else has.
//!
//! The code is SipHash-2-4 (Aumasson and Bernstein, 2012), so the codes of earlier records, which anybody can read in
//! the console's ring, help nobody to the next one. What remains to be had is the key, and that is kept in two halves:
//! one in memory, the other in Xen, in the debug address registers that this kernel has no other use for. Code that
//! reads all memory finds numbers that mean nothing; code that makes any hypercall, the same.
//!
//! Invariant: the two halves are together only while a record is written, and no exercise runs then.

use core::hint;
use core::sync::atomic::{AtomicU64, Ordering};

use super::raw_hypercall::{number, raw_hypercall};

/// Half of a key, as four numbers: Xen takes what could be an address of the guest's, so no more than 47 bits.
pub(super) type Half = [u32; 4];

/// The half that stays in memory.
static KEPT: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Puts both halves where they stay.
pub(super) fn keep(kept: Half, given_away: Half) {
    for (register, value) in given_away.into_iter().enumerate() {
        // SAFETY: an address without anything in the control register that makes use of it.
        unsafe { raw_hypercall(number::SET_DEBUGREG, [register as u64, value.into(), 0, 0]) };
    }
    for (place, value) in KEPT.iter().zip(joined(kept)) {
        place.store(value, Ordering::Relaxed);
    }
}

/// The half that Xen has, of the vCPU that asks.
pub(super) fn given_away() -> Half {
    // SAFETY: reads a register's value.
    core::array::from_fn(|register| unsafe { raw_hypercall(number::GET_DEBUGREG, [register as u64, 0, 0, 0]) } as u32)
}

/// The key, for as long as it takes to write a record.
fn key() -> [u64; 2] {
    let given_away = joined(given_away());
    core::array::from_fn(|index| KEPT[index].load(Ordering::Relaxed) ^ given_away[index])
}

fn joined([a, b, c, d]: Half) -> [u64; 2] {
    [u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d)]
}

/// Overwrites what has been left behind on the stack below the caller.
#[inline(never)]
pub(super) fn forget() {
    hint::black_box(&mut [0_u64; 512]);
}

/// A code in the making.
pub(super) struct Seal {
    state: [u64; 4],
    word: u64,
    length: u64,
}

impl Seal {
    /// A code under the key of this run.
    pub(super) fn new() -> Self {
        Self::under(key())
    }

    fn under([first, second]: [u64; 2]) -> Self {
        let state = [
            first ^ 0x736f_6d65_7073_6575,
            second ^ 0x646f_7261_6e64_6f6d,
            first ^ 0x6c79_6765_6e65_7261,
            second ^ 0x7465_6462_7974_6573,
        ];
        Self { state, word: 0, length: 0 }
    }

    /// Takes in some more of what is to be marked.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.word |= u64::from(*byte) << (8 * (self.length % 8));
            self.length += 1;
            if self.length.is_multiple_of(8) {
                self.absorb();
            }
        }
    }

    /// The code.
    pub(super) fn finish(mut self) -> u64 {
        self.word |= self.length << 56;
        self.absorb();
        self.state[2] ^= 0xff;
        (0..4).for_each(|_| self.round());
        self.state.iter().fold(0, |code, word| code ^ word)
    }

    fn absorb(&mut self) {
        self.state[3] ^= self.word;
        (0..2).for_each(|_| self.round());
        self.state[0] ^= self.word;
        self.word = 0;
    }

    fn round(&mut self) {
        let [a, b, c, d] = self.state;
        let (a, c) = (a.wrapping_add(b), c.wrapping_add(d));
        let (b, d) = (b.rotate_left(13) ^ a, d.rotate_left(16) ^ c);
        let a = a.rotate_left(32);
        let (a, c) = (a.wrapping_add(d), c.wrapping_add(b));
        let (b, d) = (b.rotate_left(17) ^ c, d.rotate_left(21) ^ a);
        self.state = [a, b, c.rotate_left(32), d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_published_one() {
        // The example of the paper's appendix A.
        let mut seal = Seal::under([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        let bytes: [u8; 15] = core::array::from_fn(|index| index as u8);
        seal.add(&bytes[..5]);
        seal.add(&bytes[5..]);
        assert_eq!(seal.finish(), 0xa129_ca61_49be_45e5);
    }
}
