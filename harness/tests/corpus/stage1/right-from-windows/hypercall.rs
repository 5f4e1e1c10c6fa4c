//! Reference for exercise 1c: the hypercall.

use core::arch::asm;

use crate::Errno;

/// Makes a hypercall, and returns its result as it is.
///
/// # Safety
/// As [`xen::hypercall`](crate::xen::hypercall).
#[inline(always)]
pub unsafe fn call(number: u64, arguments: [u64; 4]) -> i64 {
    let [first, second, third, fourth] = arguments;
    let result: i64;
    // SAFETY: by this function's contract. Without `nomem` the compiler expects that any memory may have
    // changed, and every register that Xen or `syscall` may spoil is named.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            inlateout("rdi") first => _,
            inlateout("rsi") second => _,
            inlateout("rdx") third => _,
            inlateout("r10") fourth => _,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Tells a value from an error.
pub fn decode(raw: i64) -> Result<u64, Errno> {
    let error = u16::try_from(raw.unsigned_abs()).ok().and_then(Errno::new);
    match error {
        Some(error) if raw < 0 => Err(error),
        _ => Ok(raw as u64),
    }
}
