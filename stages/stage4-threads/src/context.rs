//! A thread that doesn't run: its registers, on its own stack.
//!
//! Follows the System V ABI of x86-64. A switch is a function call: whoever calls a function expects only some registers
//! to keep their values, and those are all that has to be kept here: rbx, rbp, r12 to r15, rsp, and the control words of
//! the floating-point units (MXCSR for SSE, the x87 control word). Everything else the compiler has saved itself, or doesn't need.
//! A thread that is *interrupted* needs all of its registers back; those lie on its stack already when its handler calls
//! the switch, put there by stage 3's entry code.
//!
//! The address to go on at needs no care: `call` has put it on the stack, and `ret` takes it.
//!
//! Invariant: the words at a saved rsp are exactly what [`switch`] takes, in its order, whether [`switch`] put them there or
//! [`prepare`].

use crate::switch as exercise;

/// MXCSR of a new thread: all floating-point exceptions masked, as Rust expects.
pub const INITIAL_MXCSR: u32 = 0x1f80;
/// The x87 control word of a new thread: all exceptions masked, full precision.
pub const INITIAL_X87: u16 = 0x37f;

/// A word of a new stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word(u64);

impl Word {
    /// A number.
    ///
    /// # Panics
    /// If it could be an address of the kernel's: those come from [`Start`].
    pub const fn number(number: u64) -> Self {
        assert!(number >> 47 == 0, "this could be an address, not a number");
        Self(number)
    }

    /// What is in it.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// How a new thread begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Where the first switch to it arrives: the instructions there call the function in rbx with the argument in r12.
    pub begin: Word,
    /// The function, for rbx.
    pub entry: Word,
    /// Its argument, for r12.
    pub argument: Word,
}

// ANCHOR: begin
/// What a new thread does first: `entry(argument)`, which never returns.
#[unsafe(naked)]
unsafe extern "sysv64" fn begin() -> ! {
    core::arch::naked_asm!("mov rdi, r12", "call rbx", "ud2")
}
// ANCHOR_END: begin

/// Saves this thread's registers on its stack and where they are in `*save`, and goes on with the thread whose registers are at
/// `load`; exercise 4a. It returns when somebody switches back.
///
/// # Safety
/// `load` must come from [`prepare`], or from a switch that saved there, on a stack that is still there, and be used once.
/// `save` must be valid for a write.
#[inline(always)]
pub unsafe fn switch(save: *mut u64, load: u64) {
    const EXERCISE: unsafe extern "sysv64" fn(*mut u64, u64) = exercise::switch;
    // SAFETY: by this function's contract.
    unsafe { EXERCISE(save, load) }
}

/// How many words of a new stack [`prepare`] may use.
pub const WORDS: usize = 32;

/// Makes a new stack ready for its first switch; exercise 4a. Returns what [`switch`] is to load.
///
/// # Safety
/// The [`WORDS`] words below `top` must be writable and nobody else's, and `top` a multiple of 16.
pub unsafe fn prepare(top: u64, entry: unsafe extern "sysv64" fn(u64) -> !, argument: u64) -> u64 {
    let start = Start {
        begin: Word(begin as *const () as u64),
        entry: Word(entry as *const () as u64),
        argument: Word(argument),
    };
    let mut words = [Word(0); WORDS];
    let index = exercise::prepare(&mut words, &start);
    assert!(index < WORDS, "a new stack was prepared at word {index} of {WORDS}");
    let bottom = top - (WORDS * size_of::<Word>()) as u64;
    // SAFETY: by this function's contract.
    unsafe { (bottom as *mut [Word; WORDS]).write(words) };
    bottom + (index * size_of::<Word>()) as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Two threads of control in one, on a stack of its own: it adds what it is given until it is left for good.
    struct Adder {
        main: u64,
        own: u64,
        sum: u64,
    }

    unsafe extern "sysv64" fn add(adder: u64) -> ! {
        let adder = adder as *mut Adder;
        let mut sum = 0;
        loop {
            // SAFETY: the test keeps the adder, and doesn't touch it while this runs.
            let this = unsafe { &mut *adder };
            sum += this.sum;
            this.sum = sum;
            // SAFETY: the test has saved its registers there.
            unsafe { switch(&raw mut this.own, this.main) };
        }
    }

    #[test]
    fn a_switch_there_and_back_keeps_everything() {
        let mut stack = std::vec![0_u128; 4096];
        let top = stack.as_mut_ptr_range().end.addr() as u64;
        let mut adder = Adder { main: 0, own: 0, sum: 0 };
        let this = &raw mut adder;
        // SAFETY: the words are the stack's.
        let own = unsafe { prepare(top, add, this as u64) };
        // SAFETY: the adder's own.
        unsafe { (*this).own = own };
        let mut sum = 0;
        for number in 1..100 {
            sum += number;
            // SAFETY: as above: the adder doesn't run now.
            unsafe { (*this).sum = number };
            // SAFETY: as above.
            let own = unsafe { (*this).own };
            // SAFETY: as above.
            let main = unsafe { &raw mut (*this).main };
            // SAFETY: the adder was prepared, or has saved its registers.
            unsafe { switch(main, own) };
            // SAFETY: as above.
            assert_eq!(unsafe { (*this).sum }, sum);
        }
    }
}
