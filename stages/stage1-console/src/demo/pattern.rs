//! The demo that prints a lot right before the end: `app=pattern size=65536`.
//!
//! Line number n, from 0, is 64 bytes: n as eight hexadecimal digits, a space, 53 letters, `\r\n`. Letter
//! number k, from 0, is letter (7 n + k) modulo 26 of the alphabet. So a reader can tell what is missing, and
//! where.

use crate::boot_info::CommandLine;
use crate::output;

const DEFAULT_SIZE: u64 = 64 * 1024;
const LINE: usize = 64;

/// Prints `size=` bytes; the last line may be cut.
pub(super) fn pattern(command_line: CommandLine<'_>) {
    let size = command_line.get("size").and_then(|size| size.parse().ok()).unwrap_or(DEFAULT_SIZE);
    let mut left = size;
    for number in 0.. {
        if left == 0 {
            return;
        }
        let length = left.min(LINE as u64);
        output::write(&line(number)[..length as usize]);
        left -= length;
    }
}

fn line(number: u64) -> [u8; LINE] {
    core::array::from_fn(|column| match column {
        0..8 => b"0123456789abcdef"[(number >> (28 - 4 * column) & 15) as usize],
        8 => b' ',
        62 => b'\r',
        63 => b'\n',
        _ => b'a' + ((number % 26 * 7 + column as u64 - 9) % 26) as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_described() {
        assert_eq!(&line(0)[..12], b"00000000 abc");
        assert_eq!(&line(0x12)[..12], b"00000012 wxy");
        assert_eq!(&line(1)[61..], b"h\r\n");
    }
}
