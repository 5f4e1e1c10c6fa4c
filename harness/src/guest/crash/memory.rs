//! The memory of a guest that Xen has crashed, and what it says about the stack that was in use.
//!
//! A stack that runs over leaves the guest no room to report anything, but its memory stays until the domain is destroyed.
//! The guest's page table is in `cr3`, as Xen's dump has it, and leads to frames of the machine, which QEMU reads. At the
//! top of each stack the kernel has noted whose it is (`stages/stage2-memory/src/stack.rs`).
//!
//! Invariant: nothing is believed. The domain may be gone, and its frames somebody else's: what then is found has no
//! note at its end.

use super::{Crash, StackRange};
use crate::machine::Machine;

/// Words in a frame.
const WORDS: usize = 512;
/// Bytes in a page.
const PAGE: u64 = 4096;
/// Pages that a large stack frame may skip below its stack.
const SKIPPED: u64 = 16;
/// Pages of the largest stack that is looked through.
const LARGEST: u64 = 4096;
/// Words of the stack to take for the backtrace.
const MOST_WORDS: u64 = 32768;

/// What the note at a stack's top begins with.
const MARK: &[u8] = b"stack of";
/// Bytes of the note, the mark included.
const LABEL: usize = 64;

/// The machine's memory, a frame at a time.
pub trait Frames {
    /// The words of a frame; `None` if it can't be read.
    fn read(&mut self, frame: u64) -> Option<Vec<u64>>;
}

/// The memory of the test host.
pub struct ByQemu<'a>(pub &'a Machine);

impl Frames for ByQemu<'_> {
    fn read(&mut self, frame: u64) -> Option<Vec<u64>> {
        let printed = self.0.qmp().human(&format!("xp /{WORDS}gx {:#x}", frame * PAGE), self.0.within(10.0)).ok()?;
        words(&printed)
    }
}

/// The words of lines like `0000000000001000: 0x0000000000000001 0x0000000000000002`.
fn words(printed: &str) -> Option<Vec<u64>> {
    let values = printed.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, rest)| rest.split_whitespace());
    let words: Option<Vec<u64>> = values.map(|value| u64::from_str_radix(value.strip_prefix("0x")?, 16).ok()).collect();
    words.filter(|words| words.len() == WORDS)
}

/// The guest's addresses.
struct Mapped<F> {
    frames: F,
    root: u64,
    /// The table of level 1 that was used last, by the addresses that it maps.
    last: Option<(u64, Vec<u64>)>,
}

impl<F: Frames> Mapped<F> {
    fn new(frames: F, cr3: u64) -> Self {
        Self { frames, root: frame_of(cr3), last: None }
    }

    /// The frame behind an address, if it is mapped.
    fn frame(&mut self, address: u64) -> Option<u64> {
        let region = address >> 21;
        if self.last.as_ref().is_none_or(|(known, _)| *known != region) {
            let mut frame = self.root;
            for level in (1..4).rev() {
                let entry = self.frames.read(frame)?[(address >> (12 + 9 * level)) as usize % WORDS];
                frame = present(entry)?;
            }
            self.last = Some((region, self.frames.read(frame)?));
        }
        let (_, table) = self.last.as_ref()?;
        present(table[(address >> 12) as usize % WORDS])
    }

    fn page(&mut self, address: u64) -> Option<Vec<u64>> {
        let frame = self.frame(address)?;
        self.frames.read(frame)
    }

    /// The stack that an overflow has left downwards, if there is one right above this address.
    fn stack_above(&mut self, address: u64) -> Option<StackRange> {
        let page = address & !(PAGE - 1);
        let start = (0..SKIPPED).map(|number| page + number * PAGE).find(|page| self.frame(*page).is_some())?;
        let pages = (1..LARGEST).take_while(|number| self.frame(start + number * PAGE).is_some()).count() as u64 + 1;
        let end = start + pages * PAGE;
        let last: Vec<u8> = self.page(end - PAGE)?.iter().flat_map(|word| word.to_le_bytes()).collect();
        let label = last[last.len() - LABEL..].strip_prefix(MARK)?;
        let owner = String::from_utf8_lossy(label);
        Some(StackRange { name: format!("stack of {}", owner.trim_end_matches('\0')), start, end })
    }

    /// The words from `address` to the end of its stack, but not too many.
    fn words(&mut self, address: u64, end: u64) -> Vec<u64> {
        let mut words = Vec::new();
        let end = end.min(address + MOST_WORDS * 8);
        let mut at = address;
        while at < end {
            let Some(page) = self.page(at) else { break };
            let next = (at + PAGE) & !(PAGE - 1);
            words.extend(page.iter().skip((at % PAGE) as usize / 8).take((next.min(end) - at) as usize / 8));
            at = next;
        }
        words
    }
}

fn frame_of(entry: u64) -> u64 {
    (entry & 0x000f_ffff_ffff_f000) >> 12
}

fn present(entry: u64) -> Option<u64> {
    (entry & 1 == 1).then(|| frame_of(entry))
}

impl Crash {
    /// Looks into the guest's memory, if it is still there: whose stack has run over, and what is on it. `known` are stacks
    /// that need no note.
    pub fn look(&mut self, frames: impl Frames, known: &[StackRange]) {
        let (Some(walk), Some(cr3)) = (&self.walk, self.register("cr3")) else { return };
        let mut memory = Mapped::new(frames, cr3);
        let noted = memory.stack_above(walk.address);
        let known = || known.iter().find(|stack| stack.lost(walk.address)).cloned();
        let Some(stack) = noted.or_else(known) else { return };
        if let (true, Some(rsp)) = (self.stack.is_empty(), self.register("rsp")) {
            // The innermost frame may have gone over the end, the others are on the stack.
            let from = rsp.max(stack.start) & !7;
            self.stack = vec![0; ((from - rsp) / 8) as usize];
            self.stack.extend(memory.words(from, stack.end));
        }
        self.owner = Some(stack);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::crash::Walk;
    use std::collections::HashMap;

    /// A machine with one guest, whose stack has the pages from 1 to 3 of a region.
    struct Fake(HashMap<u64, Vec<u64>>);

    impl Frames for Fake {
        fn read(&mut self, frame: u64) -> Option<Vec<u64>> {
            self.0.get(&frame).cloned()
        }
    }

    const BASE: u64 = 0xffff_9800_0000_0000;

    fn machine(label: &[u8]) -> Fake {
        let table = |index: u64, entries: &[u64]| {
            let mut words = vec![0; WORDS];
            words[index as usize..][..entries.len()].copy_from_slice(entries);
            words
        };
        let mut last: Vec<u8> = vec![0; PAGE as usize - LABEL];
        last.extend(label);
        last.resize(PAGE as usize, 0);
        let top = last.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect();
        Fake(HashMap::from([
            (10, table(BASE >> 39 & 511, &[11 << 12 | 0x27])),
            (11, table(BASE >> 30 & 511, &[12 << 12 | 0x27])),
            (12, table(BASE >> 21 & 511, &[13 << 12 | 0x27])),
            (13, table(1, &[1 << 63 | 20 << 12 | 0x67, 21 << 12 | 0x67, 22 << 12 | 0x67])),
            (20, (0..512).collect()),
            (21, (512..1024).collect()),
            (22, top),
        ]))
    }

    fn overflow(rsp: u64, address: u64) -> Crash {
        let walk = Some(Walk { address, level: 1, entry: 0 });
        Crash { registers: vec![("cr3", 10 << 12), ("rsp", rsp)], walk, ..Crash::default() }
    }

    #[test]
    fn the_note_at_the_top_of_a_stack_says_whose_it_is() {
        let mut crash = overflow(BASE + PAGE + 16, BASE + PAGE - 8);
        crash.look(machine(b"stack ofthread 7 (deep)"), &[]);
        let owner = crash.owner.unwrap();
        assert_eq!(
            (owner.name.as_str(), owner.start, owner.end),
            ("stack of thread 7 (deep)", BASE + PAGE, BASE + 4 * PAGE)
        );
        assert_eq!((crash.stack.len(), &crash.stack[..3]), (3 * 512 - 2, &[2, 3, 4][..]));
    }

    #[test]
    fn a_frame_that_skips_the_guard_page_is_found_too() {
        let mut crash = overflow(BASE + PAGE - 32, BASE + PAGE - 40);
        crash.look(machine(b"stack ofmain"), &[]);
        assert_eq!(crash.owner.unwrap().name, "stack of main");
        assert_eq!(crash.stack[..6], [0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn what_has_no_note_is_no_stack() {
        let mut crash = overflow(BASE + PAGE, BASE + PAGE - 8);
        crash.look(machine(b"whatever was there"), &[]);
        assert_eq!((&crash.owner, &crash.stack), (&None, &Vec::new()));
        let boot = StackRange { name: "boot stack".into(), start: BASE + PAGE, end: BASE + 3 * PAGE };
        crash.look(machine(b"whatever was there"), std::slice::from_ref(&boot));
        assert_eq!((crash.owner, crash.stack.len()), (Some(boot), 1024));
        let mut crash = overflow(BASE + PAGE, BASE + PAGE - 8);
        crash.look(Fake(HashMap::new()), &[]);
        assert_eq!(crash.owner, None);
    }

    #[test]
    fn what_qemu_prints_is_read() {
        let line = |at: usize| format!("{:016x}: 0x{:016x} 0x{:016x}", at * 8, at, at + 1);
        let printed: Vec<String> = (0..WORDS).step_by(2).map(line).collect();
        assert_eq!(words(&printed.join("\r\n")).unwrap(), (0..WORDS as u64).collect::<Vec<_>>());
        assert_eq!(words("Cannot access memory"), None);
    }
}
