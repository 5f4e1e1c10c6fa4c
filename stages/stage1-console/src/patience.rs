//! An end to every wait.
//!
//! Stage 1 has no clock yet, so patience is measured in ticks of the time stamp counter. Its rate is not known, but
//! lies between 1 and 5 GHz on everything that runs Xen (1 GHz where Xen emulates it), which makes the limit 7 to 35
//! seconds. Invariant: [`Patience::is_over`] becomes true after that time whatever the counter does, short of
//! standing still.

/// How long a wait without progress may last.
const TICKS: u64 = 1 << 35;

/// A wait that began when this was made.
pub struct Patience {
    since: u64,
}

impl Patience {
    /// Starts waiting.
    #[allow(clippy::new_without_default, reason = "a default value that reads a clock would surprise")]
    pub fn new() -> Self {
        Self { since: ticks() }
    }

    /// Whether the wait has lasted too long.
    pub fn is_over(&self) -> bool {
        // On a machine with several vCPUs the counter may step back a little: no time has passed then.
        ticks().saturating_sub(self.since) > TICKS
    }
}

/// What the time stamp counter is now.
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has a time stamp counter, and Xen lets guests read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}
