//! Field by field, with a cursor that knows where it is.

use crate::boot_info::{Flags, MAGIC, START_INFO_SIZE, StartInfo, StartInfoError, Token};
use crate::types::{MachineAddress, Mfn, Port};

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn number(&mut self) -> u64 {
        let (field, rest) = self.0.split_at(8);
        self.0 = rest;
        field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn small(&mut self) -> u32 {
        self.number() as u32
    }
}

pub fn parse(page: &[u8]) -> Result<StartInfo<'_>, StartInfoError> {
    if page.len() < START_INFO_SIZE {
        return Err(StartInfoError::TooShort(page.len()));
    }
    if !page.starts_with(MAGIC.as_bytes()) || page[MAGIC.len()] != 0 {
        return Err(StartInfoError::BadMagic);
    }
    let mut front = Cursor(&page[0x20..0x80]);
    let mut back = Cursor(&page[0x480..]);
    Ok(StartInfo {
        nr_pages: front.number(),
        shared_info: MachineAddress(front.number()),
        flags: Flags::from_bits_truncate(front.small()),
        store_mfn: Mfn(front.number()),
        store_evtchn: Port(front.small()),
        console_mfn: Mfn(front.number()),
        console_evtchn: Port(front.small()),
        pt_base: front.number(),
        nr_pt_frames: front.number(),
        mfn_list: front.number(),
        mod_start: front.number(),
        mod_len: front.number(),
        command_line: line(&page[0x80..0x480]),
        first_p2m_pfn: back.number(),
        nr_p2m_frames: back.number(),
    })
}

fn line(field: &[u8]) -> &str {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    match core::str::from_utf8(&field[..end]) {
        Ok(line) => line,
        Err(error) => core::str::from_utf8(&field[..error.valid_up_to()]).unwrap_or_default(),
    }
}

pub fn next_token(line: &str) -> Option<(Token<'_>, &str)> {
    let blank = [' ', '\t'];
    let begin = line.find(|c| !blank.contains(&c))?;
    let end = line[begin..].find(blank).map_or(line.len(), |length| begin + length);
    let word = &line[begin..end];
    let token = match word.find('=') {
        Some(at) => Token { key: &word[..at], value: Some(&word[at + 1..]) },
        None => Token { key: word, value: None },
    };
    Some((token, &line[end..]))
}
