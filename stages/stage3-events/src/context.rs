//! What is kept of code that was interrupted, so that it can go on: its context.
//!
//! A context lies on the stack of the code that it belongs to:
//!
//! | where | what |
//! |---|---|
//! | at the [`Context`]'s address | all general registers, as a [`TrapFrame`] |
//! | below, at the next multiple of 64 with room for it | the extended state, as `xsave` writes it |
//!
//! The second place follows from the first, so a context is known by one pointer. The entry code (`entry`) makes one
//! of whatever it interrupts, and `resume` goes on with one. A thread that hasn't run yet has a context, too:
//! one that was made up.
//!
//! Invariant: of a context there is one pointer, and whoever has it may resume it once.

use console::bedrock::TrapFrame;

use crate::extended_state::{self, ALIGNMENT};

/// Xen's mark of kernel code: the flat code segment without its privilege bits. With them the iret hypercall would
/// return to a user program.
const KERNEL_CS: u64 = 0xe030;
const FLAT_SS: u64 = 0xe02b;
/// Bit 1 is always set; bit 9 is "events are not masked".
const FLAGS_EVENTS_ON: u64 = 0x202;
/// Rust's choice: all floating-point exceptions masked.
const INITIAL_FCW: u16 = 0x37f;
const INITIAL_MXCSR: u32 = 0x1f80;

/// The registers of interrupted code. Its extended state lies below.
#[repr(transparent)]
pub struct Context {
    /// The general registers.
    pub registers: TrapFrame,
}

/// What to go on with after an interruption.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    /// The context to resume.
    pub context: *mut Context,
    /// Null, or a byte to set to 0 as soon as the interrupted stack isn't used any more. Until then no other vCPU
    /// may resume what was interrupted, as the entry code still runs on its stack.
    pub left: *mut u8,
}

impl Resume {
    /// Goes on with this context, on whose stack the entry code runs.
    pub fn same(context: *mut Context) -> Self {
        Self { context, left: core::ptr::null_mut() }
    }
}

impl Context {
    /// Bytes that a context takes on a stack at most.
    pub fn room() -> u64 {
        size_of::<Self>() as u64 + extended_state::size() + 2 * ALIGNMENT
    }

    // ANCHOR: new_thread
    /// Makes up the context of a thread that will begin with a call of `entry(argument)`, events unmasked, on the
    /// stack that ends at `top`.
    ///
    /// # Safety
    /// The [`room`](Self::room) below `top` must be writable and nobody else's.
    pub unsafe fn new_thread(top: u64, entry: extern "C" fn(usize) -> !, argument: usize) -> *mut Self {
        // As behind a call: the address to return to, which is 0 here, lies at a multiple of 16 minus 8.
        let rsp = (top & !15) - 8;
        let context = ((rsp - size_of::<Self>() as u64) & !15) as *mut Self;
        let registers = TrapFrame {
            rip: entry as *const () as u64,
            cs: KERNEL_CS,
            rflags: FLAGS_EVENTS_ON,
            rsp,
            ss: FLAT_SS,
            rdi: argument as u64,
            ..TrapFrame::default()
        };
        // SAFETY: the word is in the room.
        unsafe { (rsp as *mut u64).write(0) };
        // SAFETY: the registers are in the room, and aligned.
        unsafe { context.write(Self { registers }) };
        let area = area(context);
        // SAFETY: the area is in the room. All zeros mean the initial state of every register but the two below.
        unsafe { area.write_bytes(0, extended_state::LEAST as usize) };
        // SAFETY: as above.
        unsafe { area.cast::<u16>().write(INITIAL_FCW) };
        // SAFETY: as above.
        unsafe { area.wrapping_add(24).cast::<u32>().write(INITIAL_MXCSR) };
        context
    }
    // ANCHOR_END: new_thread
}

/// Where a context's extended state lies. The entry code does the same sum.
fn area(context: *mut Context) -> *mut u8 {
    let address = (context.addr() as u64 - extended_state::size()) & !(ALIGNMENT - 1);
    context.cast::<u8>().with_addr(address as usize)
}

/// Goes on with a context; the code that calls this is never returned to.
///
/// # Safety
/// Nobody else may resume the context. Events must be masked, and the caller's stack must not be anybody's until
/// `left` is 0.
#[cfg(guest)]
pub unsafe fn resume(resume: Resume) -> ! {
    let Resume { context, left } = resume;
    // SAFETY: by this function's contract, and the label takes just these two.
    unsafe { core::arch::asm!("jmp stardust_resume", in("rax") context, in("rdx") left, options(noreturn)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn entry(_: usize) -> ! {
        std::process::abort()
    }

    #[test]
    fn a_new_thread_begins_as_if_called() {
        for offset in 0..130 {
            let mut stack = std::vec![0xaau8; 4096];
            let top = stack.as_mut_ptr().addr() as u64 + 4096 - offset;
            // SAFETY: the stack is larger than the room.
            let context = unsafe { Context::new_thread(top, entry, 7) };
            // SAFETY: it was just written.
            let registers = unsafe { &(*context).registers };
            assert_eq!((registers.rsp % 16, registers.rdi, registers.rbp), (8, 7, 0));
            assert_eq!((registers.cs, registers.rflags), (0xe030, 0x202));
            let (low, high) = (area(context).addr() as u64, context.addr() as u64);
            assert!(low % 64 == 0 && low + extended_state::size() <= high && registers.rsp + 8 <= top);
            assert!(top - low <= Context::room(), "{}", top - low);
        }
    }
}
