//! Reference for exercise 3b: the clock.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::clock::TimeInfo;

/// Converts ticks to nanoseconds, rounded down.
pub fn scale(ticks: u64, multiplier: u32, shift: i8) -> u64 {
    let ticks = u128::from(ticks);
    let shifted = if shift < 0 { ticks >> shift.unsigned_abs() } else { ticks << shift };
    let nanoseconds = (shifted * u128::from(multiplier)) >> 32;
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

/// Reads Xen's time, in nanoseconds.
pub fn read(info: &impl TimeInfo) -> u64 {
    loop {
        let version = info.version();
        if version.is_multiple_of(2) {
            let ticks = info.ticks().saturating_sub(info.tsc_timestamp());
            let passed = scale(ticks, info.multiplier(), info.shift());
            let time = info.system_time().saturating_add(passed);
            if info.version() == version {
                return time;
            }
        }
        core::hint::spin_loop();
    }
}

/// Takes note of a reading, and returns the latest that there was, this one included.
pub fn latest(latest: &AtomicU64, reading: u64) -> u64 {
    // One operation: between a load and a store, another vCPU could note a later time and lose it again.
    latest.fetch_max(reading, Ordering::SeqCst).max(reading)
}
