//! Who called whom, by the chain of frame pointers.
//!
//! Follows the convention of the x86-64 System V ABI with frame pointers (every image is compiled with them):
//! at rbp lies the caller's rbp, and above it the address to return to.
//!
//! Invariant: it can neither fault nor loop, whatever rbp holds. Each step reads only inside the given stack, and
//! moves up it.

use core::ops::Range;

/// How many callers a report shows at most.
const DEPTH: usize = 32;

/// Calls `visit` with each return address, the innermost first.
pub(super) fn walk(mut rbp: u64, stack: Range<u64>, mut visit: impl FnMut(u64)) {
    for _ in 0..DEPTH {
        let fits = rbp >= stack.start && rbp.checked_add(16).is_some_and(|end| end <= stack.end);
        if !fits || !rbp.is_multiple_of(8) {
            return;
        }
        let frame = rbp as *const u64;
        // SAFETY: both words lie in the stack, by the test above, and the stack is mapped.
        let [caller, address] = unsafe { frame.cast::<[u64; 2]>().read_volatile() };
        visit(address);
        if caller <= rbp {
            return; // the end of the chain, 0, or a broken one
        }
        rbp = caller;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(stack: &[u64], start: usize) -> std::vec::Vec<u64> {
        let base = stack.as_ptr().addr() as u64;
        let mut seen = std::vec::Vec::new();
        walk(base + 8 * start as u64, base..base + 8 * stack.len() as u64, |address| seen.push(address));
        seen
    }

    #[test]
    fn the_chain_ends_where_it_leaves_the_stack_or_turns_back() {
        let mut stack = [0u64; 8];
        let base = stack.as_ptr().addr() as u64;
        stack[0] = base + 32;
        stack[1] = 0x11;
        stack[4] = 0;
        stack[5] = 0x22;
        assert_eq!(addresses(&stack, 0), [0x11, 0x22]);
        stack[4] = base; // a loop
        assert_eq!(addresses(&stack, 0), [0x11, 0x22]);
        stack[0] = base + 60; // misaligned, and its second word outside
        assert_eq!(addresses(&stack, 0), [0x11]);
        assert!(addresses(&stack, 7).is_empty());
    }
}
