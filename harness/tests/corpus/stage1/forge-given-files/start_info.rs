//! Exercise 1b: `start_info` and the command line. (Its reference is solutions/stage1-console/start_info.rs.)
//!
//! [`boot_info`](crate::boot_info) has the types to fill; the offsets are those of `struct start_info` in Xen's
//! `public/xen.h`:
//!
//! | offset | field | | offset | field |
//! |---|---|---|---|---|
//! | 0x00 | magic, 32 bytes | | 0x60 | nr_pt_frames |
//! | 0x20 | nr_pages | | 0x68 | mfn_list |
//! | 0x28 | shared_info | | 0x70 | mod_start |
//! | 0x30 | flags, u32 | | 0x78 | mod_len |
//! | 0x38 | store_mfn | | 0x80 | cmd_line, 1024 bytes |
//! | 0x40 | store_evtchn, u32 | | 0x480 | first_p2m_pfn |
//! | 0x48 | console_mfn | | 0x488 | nr_p2m_frames |
//! | 0x50 | console_evtchn, u32 | | 0x490 | the end |
//! | 0x58 | pt_base | | | |
//!
//! All numbers are little endian, and u64 where nothing else is said. The four bytes behind each u32 are
//! padding, and hold anything.

use crate::boot_info::{StartInfo, StartInfoError, Token};
use crate::lab_todo;

/// Reads a `start_info` page.
///
/// - Fewer than `START_INFO_SIZE` bytes: `TooShort`, with the number of bytes there are.
/// - The page must begin with `MAGIC` and a NUL, else `BadMagic`.
/// - Unknown flags are dropped.
/// - The command line ends before its first NUL, or with the field if there is none. It may be cut in the middle of a
///   character, or hold no text at all: take the longest beginning that is valid UTF-8.
pub fn parse(page: &[u8]) -> Result<StartInfo<'_>, StartInfoError> {
    lab_todo!("1b", page)
}

/// Splits the first word off a command line, and returns it with what follows it.
///
/// - Spaces and tabs separate words, any number of them, and may lead and trail.
/// - The key ends at the first `=`; a word without one is a key without a value.
/// - `None` if no word is left.
pub fn next_token(line: &str) -> Option<(Token<'_>, &str)> {
    lab_todo!("1b", line)
}
