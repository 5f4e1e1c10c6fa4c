//! Every register named, r10 filled by an instruction.

use core::arch::asm;

use crate::Errno;

/// # Safety
/// As [`xen::hypercall`](crate::xen::hypercall).
#[inline(always)]
pub unsafe fn call(number: u64, arguments: [u64; 4]) -> i64 {
    let result: u64;
    // SAFETY: by this function's contract.
    unsafe {
        asm!(
            "mov r10, {fourth}",
            "syscall",
            fourth = in(reg) arguments[3],
            inout("rax") number => result,
            inout("rdi") arguments[0] => _,
            inout("rsi") arguments[1] => _,
            inout("rdx") arguments[2] => _,
            out("r10") _,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        )
    };
    result as i64
}

pub fn decode(raw: i64) -> Result<u64, Errno> {
    if (-4095..0).contains(&raw)
        && let Some(error) = Errno::new((-raw) as u16)
    {
        return Err(error);
    }
    Ok(raw as u64)
}
