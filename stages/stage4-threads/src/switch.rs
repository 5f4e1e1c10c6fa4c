//! Exercise 4a: the context switch. (Its reference is solutions/stage4-threads/switch.rs.)
//!
//! [`context`](crate::context) describes what a switch is, and which registers it is about.

use crate::context::{Start, Word};
use crate::lab_todo;

/// Puts the registers that a function must preserve onto the stack, stores rsp where `save` points, takes `load` for rsp, and
/// takes the registers that were put there earlier.
///
/// Make it a *naked* function, one whose body is nothing but the instructions in it: put `#[unsafe(naked)]` above, and
/// `core::arch::naked_asm!("...", "...")` inside. `save` comes in rdi, `load` in rsi.
///
/// # Safety
/// As [`context::switch`](crate::context::switch).
pub unsafe extern "sysv64" fn switch(save: *mut u64, load: u64) {
    lab_todo!("4a", save, load)
}

/// Writes what the first switch to a new stack takes from it, at the end of `words`, and returns the index of the word that
/// rsp has to point to for that.
///
/// The end of `words` is the top of the stack, a multiple of 16. The switch has to arrive at `start.begin`, with rbx =
/// `start.entry`, r12 = `start.argument`, rbp = 0, MXCSR and the x87 control word as a new thread has them, and rsp a multiple of
/// 16.
pub fn prepare(words: &mut [Word], start: &Start) -> usize {
    lab_todo!("4a", words, start)
}
