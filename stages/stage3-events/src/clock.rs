//! What time it is.
//!
//! Follows `struct vcpu_time_info` in Xen's `public/xen.h`. Each vCPU has one, 32 bytes into its `vcpu_info`:
//!
//! | offset | field | |
//! |---|---|---|
//! | 0 | `version`, u32 | odd while Xen writes, and another one after it |
//! | 8 | `tsc_timestamp`, u64 | what the time stamp counter was |
//! | 16 | `system_time`, u64 | what time it was then, in nanoseconds since Xen booted |
//! | 24 | `tsc_to_system_mul`, u32 | nanoseconds a tick, times 2^32 |
//! | 28 | `tsc_shift`, i8 | ticks are shifted by this first: to the left, or to the right if it is negative |
//!
//! The counters of two processors needn't agree, so two vCPUs may differ by a little; and a vCPU that moves to another
//! processor may find that no time has passed, or less. The kernel's time is therefore the latest that any vCPU has seen.
//!
//! Invariant: [`now`] never goes backward, whichever vCPU asks.

use core::sync::atomic::{AtomicI8, AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use console::bedrock::cpu;

use crate::{pvclock as exercise, shared_info};

/// A point in time: nanoseconds since the guest booted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Nanoseconds(pub u64);

impl Nanoseconds {
    /// The time at which `span` will be over from this one on; the end of all time where that is too far.
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; nothing if it wasn't.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

// ANCHOR: time_info
/// Where a vCPU reads its time: what exercise 3b works on. The checks have one that changes while it is read.
pub trait TimeInfo {
    /// Loads the version.
    fn version(&self) -> u32;

    /// Loads what the time stamp counter was.
    fn tsc_timestamp(&self) -> u64;

    /// Loads what time it was then, in nanoseconds.
    fn system_time(&self) -> u64;

    /// Loads the factor from ticks to nanoseconds, times 2^32.
    fn multiplier(&self) -> u32;

    /// Loads by how many bits ticks are shifted first: from -32 to 32.
    fn shift(&self) -> i8;

    /// Reads the time stamp counter.
    fn ticks(&self) -> u64;
}
// ANCHOR_END: time_info

/// Converts ticks to nanoseconds, rounded down; exercise 3b.
///
/// They are shifted by `shift` bits, multiplied, and divided by 2^32, without a loss in between: a product may take
/// 128 bits. `u64::MAX` where the result is larger.
pub fn scale(ticks: u64, multiplier: u32, shift: i8) -> u64 {
    exercise::scale(ticks, multiplier, shift)
}

/// Reads Xen's time, in nanoseconds; exercise 3b.
///
/// All values are of one version, which is even. A counter that is behind its timestamp means that no time has passed.
pub fn read(info: &impl TimeInfo) -> u64 {
    exercise::read(info)
}

/// Takes note of a reading, and returns the latest that there was, this one included; exercise 3b.
pub fn latest(latest: &AtomicU64, reading: u64) -> u64 {
    exercise::latest(latest, reading)
}

static LATEST: AtomicU64 = AtomicU64::new(0);
static START: AtomicU64 = AtomicU64::new(0);

/// Calls this moment 0.
pub(crate) fn start() {
    START.store(system_time(), Ordering::Relaxed);
}

/// The time since the guest booted. It never goes backward.
pub fn now() -> Nanoseconds {
    Nanoseconds(system_time().saturating_sub(START.load(Ordering::Relaxed)))
}

/// Xen's time for a point in ours.
pub(crate) fn system_time_at(time: Nanoseconds) -> u64 {
    time.0.saturating_add(START.load(Ordering::Relaxed))
}

// ANCHOR: system_time
/// Nanoseconds since Xen booted. It never goes backward.
pub fn system_time() -> u64 {
    // While events are masked, this stays on its vCPU.
    let masked_before = cpu::mask_events();
    let reading = read(&LiveTimeInfo::here());
    cpu::restore_events(masked_before);
    latest(&LATEST, reading)
}
// ANCHOR_END: system_time

/// What the time stamp counter is: for spans on one vCPU that are taken so often that [`now`] would cost too much.
#[inline]
pub fn ticks() -> u64 {
    console::bench::ticks()
}

/// How long so many ticks are.
pub fn span(ticks: u64) -> Duration {
    let info = LiveTimeInfo::here();
    Duration::from_nanos(scale(ticks, info.multiplier(), info.shift()))
}

/// The time of day: since the beginning of 1970, in UTC, as Xen believes.
pub fn wall() -> Duration {
    let [version, seconds, nanoseconds, seconds_high] = shared_info::wall_clock();
    loop {
        let before = version.load(Ordering::Acquire);
        let [seconds, nanoseconds, high] =
            [seconds, nanoseconds, seconds_high].map(|word| word.load(Ordering::Acquire));
        if before.is_multiple_of(2) && before == version.load(Ordering::Acquire) {
            let booted = Duration::new(u64::from(high) << 32 | u64::from(seconds), nanoseconds);
            return booted.saturating_add(Duration::from_nanos(system_time()));
        }
        core::hint::spin_loop();
    }
}

/// Where `vcpu_time_info` is in `vcpu_info`.
const TIME: usize = 32;

/// The time of this vCPU, as Xen tells it.
struct LiveTimeInfo {
    base: *mut u8,
}

impl LiveTimeInfo {
    fn here() -> Self {
        Self { base: cpu::current().vcpu_info().wrapping_add(TIME) }
    }

    fn word(&self, offset: usize) -> u64 {
        // SAFETY: within `vcpu_info`, which stays, and aligned.
        unsafe { AtomicU64::from_ptr(self.base.wrapping_add(offset).cast()) }.load(Ordering::Acquire)
    }
}

impl TimeInfo for LiveTimeInfo {
    fn version(&self) -> u32 {
        // SAFETY: as in `word`.
        unsafe { AtomicU32::from_ptr(self.base.cast()) }.load(Ordering::Acquire)
    }

    fn tsc_timestamp(&self) -> u64 {
        self.word(8)
    }

    fn system_time(&self) -> u64 {
        self.word(16)
    }

    fn multiplier(&self) -> u32 {
        // SAFETY: as in `word`.
        unsafe { AtomicU32::from_ptr(self.base.wrapping_add(24).cast()) }.load(Ordering::Acquire)
    }

    fn shift(&self) -> i8 {
        // SAFETY: as in `word`.
        unsafe { AtomicI8::from_ptr(self.base.wrapping_add(28).cast()) }.load(Ordering::Acquire)
    }

    fn ticks(&self) -> u64 {
        // SAFETY: every x86-64 processor has these. The fence keeps the counter from being read before the fields are.
        unsafe { core::arch::x86_64::_mm_lfence() };
        // SAFETY: as above.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
}
