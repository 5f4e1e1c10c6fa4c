//! A hypercall made while many registers are in use.
//!
//! The compiler keeps values in whichever registers an `asm!` doesn't name. One that `syscall` spoils and exercise 1c forgets to name
//! therefore goes unnoticed, until one day a value sits in just that register. Here values sit in all of them.
//!
//! Invariant: [`hypercall`] gives back the `values` it got, if the exercise names every register that it spoils.

use crate::hypercall as exercise;

/// How many values are kept: more than there are registers that survive.
pub const VALUES: usize = 9;

/// Makes a hypercall as [`xen::hypercall`](crate::xen::hypercall) does, while `values` are kept in registers around it. Returns the
/// undecoded result, and the values as they were found afterwards.
///
/// # Safety
/// As [`xen::hypercall`](crate::xen::hypercall).
#[inline(never)]
pub unsafe fn hypercall(number: u64, arguments: [u64; 4], values: [u64; VALUES]) -> (i64, [u64; VALUES]) {
    let before = in_registers(values);
    // SAFETY: by this function's contract.
    let result = unsafe { exercise::call(number, arguments) };
    (result, in_registers(before))
}

/// Has all values in registers at once, at a place where the compiler can't see what happens to them.
#[inline(always)]
fn in_registers(values: [u64; VALUES]) -> [u64; VALUES] {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h, mut i] = values;
    // SAFETY: no instruction at all.
    unsafe {
        core::arch::asm!(
            "/* {} {} {} {} {} {} {} {} {} */",
            inout(reg) a, inout(reg) b, inout(reg) c, inout(reg) d, inout(reg) e,
            inout(reg) f, inout(reg) g, inout(reg) h, inout(reg) i,
            options(nomem, nostack, preserves_flags),
        );
    }
    [a, b, c, d, e, f, g, h, i]
}
