//! Exercise 1c: the hypercall. (Its reference is solutions/stage1-console/hypercall.rs.)
//!
//! A paravirtualised kernel asks Xen as a program asks its kernel: numbers into registers, then `syscall`. Xen's
//! `public/arch-x86/xen-x86_64.h` says which:
//!
//! | register | before | after |
//! |---|---|---|
//! | rax | the number | the result |
//! | rdi, rsi, rdx, r10 | the arguments, first to fourth | lost: a debug Xen spoils them |
//! | rcx, r11 | - | lost: `syscall` itself uses them |
//!
//! Everything else keeps its value, but Xen may read and write any memory that the arguments point to.

use crate::{Errno, lab_todo};

/// Makes a hypercall, and returns its result as it is.
///
/// It must stay `inline(always)`: the checks look at what happens to the registers around it.
///
/// # Safety
/// As [`xen::hypercall`](crate::xen::hypercall).
#[inline(always)]
pub unsafe fn call(number: u64, arguments: [u64; 4]) -> i64 {
    lab_todo!("1c", number, arguments)
}

/// Tells a value from an error.
///
/// Results from -4095 to -1 are errors, with that number. All others are values, also the remaining negative
/// ones, which are large unsigned numbers.
pub fn decode(raw: i64) -> Result<u64, Errno> {
    lab_todo!("1c", raw)
}
