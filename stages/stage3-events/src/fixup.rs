//! Instructions that may fail, with a place where to go on if they do.
//!
//! An instruction of this kind adds two addresses to the section `.fixups`: its own, and the place. If it raises an
//! exception that nobody else takes care of, the code goes on there, and can tell by a register that it did.
//!
//! Invariant: nothing but the instruction itself is left out: whoever writes one sees to it that the code at the place
//! works with all registers as they were.

use console::bedrock::TrapFrame;

/// One entry of the section.
#[repr(C)]
#[derive(Clone, Copy)]
struct Fixup {
    instruction: u64,
    place: u64,
}

/// Flags that the code behind a fixup has to be without: single steps, direction, alignment checks.
const UNWANTED_FLAGS: u64 = 1 << 8 | 1 << 10 | 1 << 18;

/// Has the interrupted code go on behind its fixup, if the instruction has one.
pub(crate) fn apply(frame: &mut TrapFrame) -> bool {
    let found = table().iter().find(|fixup| fixup.instruction == frame.rip);
    if let Some(fixup) = found {
        frame.rip = fixup.place;
        frame.rflags &= !UNWANTED_FLAGS;
    }
    found.is_some()
}

/// Reads a word of memory, or finds that there is none.
///
/// # Safety
/// If something is mapped there, to read it must do no harm.
#[cfg(guest)]
pub unsafe fn read(address: u64) -> Option<u64> {
    let mut value: u64 = 0;
    let failed: u32;
    // SAFETY: by this function's contract, and if the read fails the exception leads to label 3.
    unsafe {
        core::arch::asm!(
            "mov {failed:e}, 1",
            "2: mov {value}, [{address}]",
            "xor {failed:e}, {failed:e}",
            "3:",
            ".pushsection .fixups, \"a\"",
            ".quad 2b, 3b",
            ".popsection",
            address = in(reg) address,
            value = inout(reg) value,
            failed = out(reg) failed,
            options(nostack, readonly),
        );
    }
    (failed == 0).then_some(value)
}

/// There is nothing to read in a host build.
///
/// # Safety
/// None is needed here; the signature is the guest's.
#[cfg(not(guest))]
pub unsafe fn read(_address: u64) -> Option<u64> {
    None
}

#[cfg(guest)]
fn table() -> &'static [Fixup] {
    unsafe extern "C" {
        static _fixups_start: Fixup;
        static _fixups_end: Fixup;
    }
    let (start, end) = (&raw const _fixups_start, &raw const _fixups_end);
    let count = (end.addr() - start.addr()) / size_of::<Fixup>();
    // SAFETY: the linker script sets the symbols around the section, which never changes.
    unsafe { core::slice::from_raw_parts(start, count) }
}

#[cfg(not(guest))]
fn table() -> &'static [Fixup] {
    &[Fixup { instruction: 0x1000, place: 0x2000 }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listed_instruction_is_left_out() {
        let mut frame = TrapFrame { rip: 0x1000, rflags: 0x10302, ..TrapFrame::default() };
        assert!(apply(&mut frame));
        assert_eq!((frame.rip, frame.rflags), (0x2000, 0x10202));
        assert!(!apply(&mut frame));
    }
}
