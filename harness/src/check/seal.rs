//! The key of a session, and the codes under it that mark records as the guest's own.
//!
//! The guest's half is `stages/stage1-console/src/bedrock/seal.rs`, which says what becomes of the key there. A code is
//! SipHash-2-4 over a record's number and text. Invariant: a key is the system's random numbers, new for every session.

use crate::error::{Context, Result};
use rustix::rand::{GetRandomFlags, getrandom};

/// A key, in the two halves in which the guest keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key([u32; 8]);

impl Key {
    /// A new one.
    pub fn draw() -> Result<Self> {
        let mut key = Self::default();
        for number in &mut key.0 {
            let mut bytes = [0; 4];
            // Requests as small as this come whole.
            getrandom(&mut bytes, GetRandomFlags::empty()).doing("draw a key")?;
            *number = u32::from_le_bytes(bytes);
        }
        Ok(key)
    }

    /// The key as the guest's command line says it.
    pub fn digits(&self) -> String {
        self.0.iter().map(|number| format!("{number:08x}")).collect()
    }

    /// The code of a record.
    pub fn code(&self, record: &str) -> u64 {
        let word = |index: usize| u64::from(self.0[index] ^ self.0[index + 4]);
        siphash([word(0) << 32 | word(1), word(2) << 32 | word(3)], record.as_bytes())
    }
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012).
fn siphash([first, second]: [u64; 2], bytes: &[u8]) -> u64 {
    let constants = [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];
    let mut state: [u64; 4] = constants;
    for (word, key) in state.iter_mut().zip([first, second, first, second]) {
        *word ^= key;
    }
    for chunk in bytes.chunks(8).filter(|chunk| chunk.len() == 8).chain([bytes.chunks_exact(8).remainder()]) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        if chunk.len() < 8 {
            word[7] = bytes.len() as u8;
        }
        let word = u64::from_le_bytes(word);
        state[3] ^= word;
        (0..2).for_each(|_| round(&mut state));
        state[0] ^= word;
    }
    state[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut state));
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *a = a.wrapping_add(*d);
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_published_one() {
        // The example of the paper's appendix A.
        let bytes: Vec<u8> = (0..15).collect();
        assert_eq!(siphash([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908], &bytes), 0xa129_ca61_49be_45e5);
    }

    #[test]
    #[allow(deprecated, reason = "the standard library's own SipHash-2-4 has no other name")]
    fn every_length_is_hashed_as_the_standard_library_does() {
        use std::hash::{Hasher, SipHasher};
        let bytes: Vec<u8> = (0..40).collect();
        for length in 0..bytes.len() {
            let mut hasher = SipHasher::new_with_keys(7, 9);
            hasher.write(&bytes[..length]);
            assert_eq!(siphash([7, 9], &bytes[..length]), hasher.finish(), "{length}");
        }
    }

    #[test]
    fn no_two_keys_are_the_same() {
        let (one, other) = (Key::draw().unwrap(), Key::draw().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.digits().len(), 64);
        assert_ne!(one.code("0 done"), other.code("0 done"));
        assert_ne!(one.code("0 done"), one.code("1 done"));
    }
}
