//! Hypercalls made where it shows what the compiler was told about them.
//!
//! An `asm!` block says which registers and whether memory may change, and the compiler relies on it: what
//! isn't said stays unnoticed, until one day a value sits in just that register. Here values sit everywhere.
//! That works because exercise 1c is `inline(always)`, so its `asm!` lands in the middle of these functions.
//!
//! Invariant: what comes back is right if the exercise told the compiler everything.

use crate::hypercall as exercise;

/// How many values are kept in registers: more than there are that survive.
pub const VALUES: usize = 9;

/// Makes a hypercall while `values` are kept in registers around it. Returns the undecoded result, and the
/// values as they are afterwards.
///
/// # Safety
/// As [`xen::hypercall`](crate::xen::hypercall).
#[inline(never)]
pub unsafe fn with_registers_in_use(number: u64, arguments: [u64; 4], values: [u64; VALUES]) -> (i64, [u64; VALUES]) {
    let before = in_registers(values);
    // SAFETY: by this function's contract.
    let result = unsafe { exercise::call(number, arguments) };
    (result, in_registers(before))
}

/// Makes a hypercall whose third argument is the address of a u32, which holds `before`. Returns the undecoded
/// result, and what that u32 holds afterwards.
///
/// # Safety
/// As [`xen::hypercall`](crate::xen::hypercall), which may write that u32.
#[inline(never)]
pub unsafe fn into_a_variable(number: u64, [first, second, fourth]: [u64; 3], before: u32) -> (i64, u32) {
    let mut variable = before;
    let third = (&raw mut variable).expose_provenance() as u64;
    // SAFETY: by this function's contract.
    let result = unsafe { exercise::call(number, [first, second, third, fourth]) };
    (result, variable)
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
