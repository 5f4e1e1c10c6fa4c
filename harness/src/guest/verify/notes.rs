//! The rules on Xen's ELF notes (`xen/include/public/elfnote.h`), as its domain builder reads them.
//!
//! Without them the builder says "no loader found" and nothing else; with a wrong one it maps the kernel at the
//! wrong place. Only notes in a `PT_NOTE` segment count.

use super::{Finding, Rule};
use crate::guest::VIRT_BASE;
use crate::guest::elf::{Linked, Segment};
use object::elf::PT_NOTE;

const ENTRY: u32 = 1;
const VIRT_BASE_NOTE: u32 = 3;
const PADDR_OFFSET: u32 = 4;
const XEN_VERSION: u32 = 5;
const LOADER: u32 = 8;

const KEEP: &str = "keep `.note.Xen` in the linker script, in a segment of type PT_NOTE";
const MEND: &str = "mend the note beside the entry code";

/// What the notes lack or have wrong.
pub fn findings(linked: &Linked<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |what: String, next| found.push(Finding::new(Rule::Notes, what, next));
    let mut notes = Vec::new();
    for segment in linked.segments.iter().filter(|segment| segment.kind == PT_NOTE) {
        match parse(segment) {
            Some(parsed) => notes.extend(parsed),
            None => add(format!("the notes at {:#x} are malformed", segment.address), MEND),
        }
    }
    if notes.is_empty() {
        add("the image has no Xen notes".into(), KEEP);
        return found;
    }
    let note = |kind| notes.iter().find(|note| note.0 == kind).map(|note| note.1);
    for (kind, name, prefix) in [(XEN_VERSION, "XEN_VERSION", "xen-3.0"), (LOADER, "LOADER", "generic")] {
        match note(kind) {
            None => add(format!("the note {name} is missing"), MEND),
            Some(text) if text.starts_with(prefix.as_bytes()) && text.ends_with(&[0]) => {}
            Some(text) => {
                let text = String::from_utf8_lossy(text);
                add(format!("the note {name} is {text:?}; Xen wants {prefix:?} and a NUL"), MEND);
            }
        }
    }
    let in_text = |address| linked.loads().any(|segment| segment.executable() && segment.holds(address));
    match note(ENTRY).map(number) {
        None => add("the note ENTRY is missing".into(), MEND),
        Some(Some(address)) if in_text(address) => {}
        Some(address) => add(format!("the note ENTRY ({}) is not an address in text", show(address)), MEND),
    }
    for (kind, name, expected) in [(VIRT_BASE_NOTE, "VIRT_BASE", VIRT_BASE), (PADDR_OFFSET, "PADDR_OFFSET", 0)] {
        match note(kind).map(number) {
            // Zero is what Xen takes where there is no such note.
            None if expected == 0 => {}
            None => add(format!("the note {name} is missing"), MEND),
            Some(Some(value)) if value == expected => {}
            Some(value) => add(format!("the note {name} is {}; it has to be {expected:#x}", show(value)), MEND),
        }
    }
    found
}

/// The notes named "Xen" in a segment: types and descriptors. `None` if the segment doesn't add up.
fn parse<'a>(segment: &Segment<'a>) -> Option<Vec<(u32, &'a [u8])>> {
    let mut rest = segment.bytes;
    let mut notes = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        let (name_size, size, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
        let begins = 12_usize.checked_add(name_size)?.checked_next_multiple_of(4)?;
        let ends = begins.checked_add(size)?;
        let (name, descriptor) = (rest.get(12..12 + name_size)?, rest.get(begins..ends)?);
        if name == b"Xen\0" {
            notes.push((kind, descriptor));
        }
        rest = rest.get(ends.checked_next_multiple_of(4)?..).unwrap_or_default();
    }
    Some(notes)
}

/// A number of 1, 2, 4 or 8 bytes; Xen reads others as 0.
fn number(bytes: &[u8]) -> Option<u64> {
    let mut word = [0; 8];
    word.get_mut(..bytes.len())?.copy_from_slice(bytes);
    [1, 2, 4, 8].contains(&bytes.len()).then(|| u64::from_le_bytes(word))
}

fn show(value: Option<u64>) -> String {
    value.map_or_else(|| "of a wrong size".to_owned(), |value| format!("{value:#x}"))
}
