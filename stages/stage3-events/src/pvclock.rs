//! Exercise 3b: the clock. (Its reference is solutions/stage3-events/pvclock.rs.)
//!
//! [`clock`](crate::clock) says what Xen tells a vCPU about time, and describes the operations of [`TimeInfo`].

use core::sync::atomic::AtomicU64;

use console::lab_todo;

use crate::clock::TimeInfo;

/// Converts ticks to nanoseconds, rounded down.
///
/// - Shift the ticks by `shift` bits: to the left, or by `-shift` to the right if it is negative.
/// - Multiply, then divide by 2^32. The product may take 128 bits; lose none of them.
/// - `u64::MAX` where the result is larger.
pub fn scale(ticks: u64, multiplier: u32, shift: i8) -> u64 {
    lab_todo!("3b", ticks, multiplier, shift)
}

/// Reads Xen's time, in nanoseconds.
///
/// - It is `system_time`, and as much more as the ticks since `tsc_timestamp` make, scaled. No ticks if the counter is
///   behind the timestamp.
/// - Load the version first. If it is odd, Xen is writing: begin again.
/// - When you have loaded all, the counter included, load the version once more. If it has changed, begin again.
pub fn read(info: &impl TimeInfo) -> u64 {
    lab_todo!("3b", info)
}

/// Takes note of a reading, and returns the latest that there was, this one included.
///
/// Several vCPUs do so at a time: what one has returned, no other may fall behind.
pub fn latest(latest: &AtomicU64, reading: u64) -> u64 {
    lab_todo!("3b", latest, reading)
}
