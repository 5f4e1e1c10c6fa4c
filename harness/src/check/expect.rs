//! What a check had to observe, as the host works it out from the seed.

/// What dom0 says about the machine that the guest runs on.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Xen's version: `4.17`.
    pub xen_version: String,
    /// What follows it: `.5`.
    pub xen_extra: String,
    /// What Xen can run: `xen-3.0-x86_64 ...`.
    pub xen_capabilities: String,
}

/// One observation that a check had to make.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The key under which the guest records it.
    pub key: &'static str,
    /// What it is, in words.
    pub what: String,
    /// The value that it has to have.
    pub value: String,
}

impl Expectation {
    /// `key` has to be `value`.
    pub fn new(key: &'static str, what: impl Into<String>, value: impl ToString) -> Self {
        Self { key, what: what.into(), value: value.to_string() }
    }

    /// Whether what was recorded is right.
    pub fn holds(&self, got: &str) -> bool {
        self.value == got
    }

    /// The right value, for people.
    pub fn describe(&self) -> String {
        self.value.clone()
    }
}

/// The random numbers of one check: guest and host draw the same, in the same order.
pub fn rng(seed: u64, check: &str) -> fastrand::Rng {
    fastrand::Rng::with_seed(seed ^ fnv1a64(check.as_bytes()))
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo).
pub fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(super::fnv1a64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(super::fnv1a64(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
