//! Numbers that nobody outside can know: from the processor, where it makes any.
//!
//! Invariant: without such a processor there is still the counter of its cycles; whoever needs keys for secrets needs more than that.

use core::arch::x86_64::{__cpuid, _rdrand64_step, _rdtsc};

/// CPUID leaf 1, ECX: there is RDRAND.
const RDRAND: u32 = 1 << 30;

/// A random number of the processor's; 0 if it makes none.
pub fn hardware() -> u64 {
    if __cpuid(1).ecx & RDRAND == 0 {
        return 0;
    }
    let mut number = 0;
    // SAFETY: CPUID says that the instruction is there.
    let made = unsafe { draw(&mut number) };
    if made { number } else { 0 }
}

/// A few attempts, as Intel's manual asks for: it may be asked faster than it makes them.
///
/// # Safety
/// The processor must have RDRAND.
#[target_feature(enable = "rdrand")]
unsafe fn draw(number: &mut u64) -> bool {
    (0..10).any(|_| _rdrand64_step(number) == 1)
}

/// The counter of cycles.
pub fn ticks() -> u64 {
    // SAFETY: Xen lets guests read it, or reads it for them.
    unsafe { _rdtsc() }
}
