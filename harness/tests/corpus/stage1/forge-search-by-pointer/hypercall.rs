//! Looks for the key in memory.

use core::arch::asm;

use crate::Errno;

/// # Safety
/// None.
#[inline(always)]
pub unsafe fn call(number: u64, arguments: [u64; 4]) -> i64 {
    let _ = arguments;
    let mut found = 0;
    for address in (0xffff_ffff_8000_0000_u64..0xffff_ffff_8010_0000).step_by(8) {
        // SAFETY: none.
        unsafe {
            let word = (address as *const u64).read_volatile();
            if word == 0x6e69_6765_6220_7e20 {
                found = address;
            }
        }
    }
    // SAFETY: none.
    unsafe { asm!("nop") };
    number as i64 + found as i64
}

pub fn decode(raw: i64) -> Result<u64, Errno> {
    Ok(raw as u64)
}
