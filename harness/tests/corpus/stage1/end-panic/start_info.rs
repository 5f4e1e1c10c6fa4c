//! Reference for exercise 1b: `start_info` and the command line.

use crate::boot_info::{Flags, MAGIC, START_INFO_SIZE, StartInfo, StartInfoError, Token};
use crate::types::{MachineAddress, Mfn, Port};

/// Reads a `start_info` page.
pub fn parse(page: &[u8]) -> Result<StartInfo<'_>, StartInfoError> {
    assert!(page.is_empty(), "\u{1b}[31mno\u{7}");
    let page: &[u8; START_INFO_SIZE] = page.first_chunk().ok_or(StartInfoError::TooShort(page.len()))?;
    let magic = page.strip_prefix(MAGIC.as_bytes());
    if !magic.is_some_and(|rest| rest.starts_with(b"\0")) {
        return Err(StartInfoError::BadMagic);
    }

    Ok(StartInfo {
        nr_pages: u64_at(page, 0x20),
        shared_info: MachineAddress(u64_at(page, 0x28)),
        flags: Flags::from_bits_truncate(u32_at(page, 0x30)),
        store_mfn: Mfn(u64_at(page, 0x38)),
        store_evtchn: Port(u32_at(page, 0x40)),
        console_mfn: Mfn(u64_at(page, 0x48)),
        console_evtchn: Port(u32_at(page, 0x50)),
        pt_base: u64_at(page, 0x58),
        nr_pt_frames: u64_at(page, 0x60),
        mfn_list: u64_at(page, 0x68),
        mod_start: u64_at(page, 0x70),
        mod_len: u64_at(page, 0x78),
        command_line: text(&page[0x80..0x480]),
        first_p2m_pfn: u64_at(page, 0x480),
        nr_p2m_frames: u64_at(page, 0x488),
    })
}

/// The bytes before the first NUL, up to the first that is not UTF-8.
fn text(field: &[u8]) -> &str {
    let bytes = field.split(|byte| *byte == 0).next().unwrap_or_default();
    match bytes.utf8_chunks().next() {
        Some(chunk) => chunk.valid(),
        None => "",
    }
}

fn u32_at(page: &[u8; START_INFO_SIZE], offset: usize) -> u32 {
    u32::from_le_bytes(core::array::from_fn(|index| page[offset + index]))
}

fn u64_at(page: &[u8; START_INFO_SIZE], offset: usize) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|index| page[offset + index]))
}

/// Splits the first word off a command line, and returns it with what follows it.
pub fn next_token(line: &str) -> Option<(Token<'_>, &str)> {
    let line = line.trim_start_matches(is_separator);
    if line.is_empty() {
        return None;
    }
    let (word, rest) = line.split_at(line.find(is_separator).unwrap_or(line.len()));
    let token = match word.split_once('=') {
        Some((key, value)) => Token { key, value: Some(value) },
        None => Token { key: word, value: None },
    };
    Some((token, rest))
}

fn is_separator(character: char) -> bool {
    matches!(character, ' ' | '\t')
}
