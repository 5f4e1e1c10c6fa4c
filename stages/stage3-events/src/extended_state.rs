//! The extended state of a vCPU: its x87, SSE and AVX registers, and how many bytes they take.
//!
//! The kernel's code uses SSE and AVX registers like any other, so whoever interrupts it has to save them, with
//! `xsave` (the processor manuals, volume 1, "Managing state using the XSAVE feature set"). How many there are
//! differs from machine to machine. A guest learns it from `cpuid` in Xen's own spelling (`XEN_CPUID` in
//! `public/arch-x86/xen.h`): plain `cpuid` may tell what the machine has, not what Xen lets a guest use.
//!
//! Invariant: once `enable` has run, an area of [`size`] bytes holds everything that `xsave` writes on any vCPU.

use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the part that every area has: 512 as `fxsave` writes them, and 64 of a header.
pub(crate) const LEAST: u64 = 512 + 64;
/// What an area's address is a multiple of.
pub(crate) const ALIGNMENT: u64 = 64;

/// x87, SSE, AVX, and the three parts of AVX-512. Protection keys mean nothing in ring 3's kernel, and tiles would
/// take 8 KiB more on every stack.
const WANTED: u64 = 0b1110_0111;
const X87_AND_SSE: u64 = 0b11;

pub(crate) static SIZE: AtomicU64 = AtomicU64::new(LEAST);
pub(crate) static COMPONENTS: AtomicU64 = AtomicU64::new(X87_AND_SSE);

/// Bytes of an area, a multiple of 64.
pub fn size() -> u64 {
    SIZE.load(Ordering::Relaxed)
}

/// The parts that are saved, as bits of the register XCR0.
pub fn components() -> u64 {
    COMPONENTS.load(Ordering::Relaxed)
}

/// Has interruptions save these parts only, of those there are. For demonstrations of what is lost then.
pub fn set_components(components: u64) {
    COMPONENTS.store(components & WANTED | X87_AND_SSE, Ordering::Relaxed);
}

/// Turns on, on this vCPU, all that Xen allows: the AVX registers, and the instructions that read and write the bases
/// of fs and gs.
///
/// # Panics
/// If this machine has no `xsave`: no machine that runs Xen today is without.
#[cfg(guest)]
pub(crate) fn enable() {
    let [_, _, features, _] = cpuid(1, 0);
    assert!(features & 1 << 26 != 0, "this machine has no xsave, which the kernel needs to take interrupts");
    let [allowed, _, _, high] = cpuid(0xd, 0);
    let wanted = (u64::from(high) << 32 | u64::from(allowed)) & WANTED;
    write_cr4(read_cr4() | CR4_OSXSAVE | CR4_FSGSBASE);
    write_xcr0(wanted);
    // Asked only now: the answer is about what is turned on.
    let [_, size, _, _] = cpuid(0xd, 0);
    SIZE.store(u64::from(size).max(LEAST).next_multiple_of(ALIGNMENT), Ordering::Relaxed);
    COMPONENTS.store(wanted, Ordering::Relaxed);
}

#[cfg(guest)]
const CR4_FSGSBASE: u64 = 1 << 16;
#[cfg(guest)]
const CR4_OSXSAVE: u64 = 1 << 18;

/// `cpuid` with the prefix by which Xen answers instead of the machine: eax, ebx, ecx, edx.
#[cfg(guest)]
fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let (a, b, c, d): (u32, u64, u32, u32);
    // SAFETY: an invalid opcode that Xen takes for a request; it writes these four registers, of which rbx is the
    // compiler's own and put back.
    unsafe {
        core::arch::asm!(
            "mov {saved}, rbx",
            ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2",
            "xchg {saved}, rbx",
            saved = out(reg) b,
            inout("eax") leaf => a,
            inout("ecx") subleaf => c,
            out("edx") d,
            options(nomem, nostack),
        );
    }
    [a, b as u32, c, d]
}

#[cfg(guest)]
fn read_cr4() -> u64 {
    let value;
    // SAFETY: Xen emulates the read.
    unsafe { core::arch::asm!("mov {}, cr4", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

#[cfg(guest)]
fn write_cr4(value: u64) {
    // SAFETY: Xen emulates the write, and ignores what a guest may not change.
    unsafe { core::arch::asm!("mov cr4, {}", in(reg) value, options(nomem, nostack, preserves_flags)) };
}

#[cfg(guest)]
fn write_xcr0(value: u64) {
    // SAFETY: the value is one that Xen allows. Registers that are turned on begin in their initial state.
    unsafe {
        core::arch::asm!("xsetbv", in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nomem, nostack, preserves_flags));
    }
}
