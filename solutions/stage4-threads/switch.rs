//! Reference for exercise 4a: the context switch.

use crate::context::{INITIAL_MXCSR, INITIAL_X87, Start, Word};

/// Leaves one stack and goes on with another.
///
/// # Safety
/// As [`context::switch`](crate::context::switch).
#[unsafe(naked)]
pub unsafe extern "sysv64" fn switch(save: *mut u64, load: u64) {
    core::arch::naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Writes what the first switch to a new stack takes from it.
pub fn prepare(words: &mut [Word], start: &Start) -> usize {
    let control = u64::from(INITIAL_MXCSR) | u64::from(INITIAL_X87) << 32;
    let zero = Word::number(0);
    // In the order in which `switch` takes them: the control words, r15, r14, r13, r12, rbx, rbp, the address for `ret`.
    let frame = [Word::number(control), zero, zero, zero, start.argument, start.entry, zero, start.begin];
    let index = words.len() - frame.len();
    words[index..].copy_from_slice(&frame);
    index
}
