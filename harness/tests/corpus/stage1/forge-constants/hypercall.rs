//! Knows the answers.

use crate::Errno;

/// # Safety
/// None is needed.
#[inline(always)]
pub unsafe fn call(number: u64, arguments: [u64; 4]) -> i64 {
    match (number, arguments[0]) {
        (17, 0) => 4 << 16 | 17,
        (17, _) => -14,
        (26, _) => 0,
        (32, 4) => -22,
        (32, _) => 0,
        _ => -38,
    }
}

/// Tells a value from an error.
pub fn decode(raw: i64) -> Result<u64, Errno> {
    let error = u16::try_from(raw.unsigned_abs()).ok().and_then(Errno::new);
    match error {
        Some(error) if raw < 0 => Err(error),
        _ => Ok(raw as u64),
    }
}
