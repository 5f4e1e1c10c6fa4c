//! `app=stack`: a stack with a guard page, to run on and to run over.

use console::boot_info::CommandLine;
use console::println;

use crate::mmu;
use crate::stack::{Stack, find};

/// The values of `stack=`; the first is the default.
pub(super) const KINDS: &[&str] = &["use", "overflow", "guard", "errors"];

const BYTES: usize = 16 * 1024;

/// Calls a function on a stack of its own.
pub(super) fn stack(command_line: CommandLine<'_>) {
    let stack = match Stack::new(BYTES) {
        Ok(stack) => stack,
        Err(error) => return println!("no stack: {error}"),
    };
    stack.label(format_args!("the demonstration"));
    let (range, guard) = (stack.range(), stack.guard());
    println!("a stack from {:#x} to {:#x}, below it the guard page at {:#x}", range.start, range.end, guard.start);
    let found = [range.start, range.end - 1, guard.start].map(|address| find(address).map(|found| found.range));
    println!("found by address: {}", found.iter().all(|found| *found == Some(range.clone())));
    match command_line.get("stack") {
        Some("overflow") => run_on(&stack, overflow),
        Some("guard") => run_on(&stack, touch_guard),
        Some("errors") => errors(),
        _ => {
            run_on(&stack, say_hello);
            large();
        }
    }
    drop(stack);
    println!("gone: {}", find(range.start).is_none());
}

/// How many hypercalls a large stack takes, once there are tables for it.
fn large() {
    const BYTES: usize = 8 << 20;
    drop(Stack::new(BYTES));
    let before = mmu::hypercalls();
    let made = Stack::new(BYTES);
    println!("a stack of {} MiB: {} hypercalls, there: {}", BYTES >> 20, mmu::hypercalls() - before, made.is_ok());
}

/// Stacks that can't be.
fn errors() {
    for bytes in [0, usize::MAX, 1 << 40] {
        println!("a stack of {bytes} bytes: {:?}", Stack::new(bytes).err());
    }
}

/// Calls `function` on another stack.
fn run_on(stack: &Stack, function: extern "C" fn()) {
    #[cfg(guest)]
    // SAFETY: the stack is nobody else's and stays until after the call; rsp is restored from a register that the
    // function preserves. The zero for rbp ends the chain of frames, as on every new stack.
    unsafe {
        core::arch::asm!(
            "mov r12, rsp", "mov r13, rbp", "mov rsp, {top}", "xor ebp, ebp",
            "call {function}",
            "mov rsp, r12", "mov rbp, r13",
            top = in(reg) stack.top(), function = in(reg) function, out("r12") _, out("r13") _, clobber_abi("C"),
        );
    }
    #[cfg(not(guest))]
    let _ = (stack, function);
}

extern "C" fn say_hello() {
    let local = 0_u8;
    let here = (&raw const local).addr() as u64;
    println!("hello from a stack of its own: {}", find(here).is_some());
}

extern "C" fn overflow() {
    println!("{}", recurse(0));
}

/// Uses the stack up.
#[allow(unconditional_recursion, reason = "this is the demonstration")]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let room = core::hint::black_box([depth; 32]);
    recurse(depth + 1) + room[(depth % 32) as usize]
}

/// Reads the guard page while there is still room: a fault like any other, whose report names it.
extern "C" fn touch_guard() {
    let local = 0_u8;
    if let Some(found) = find((&raw const local).addr() as u64) {
        // SAFETY: none: this faults, which is the point.
        unsafe { core::arch::asm!("mov al, [{}]", in(reg) found.guard.start, out("al") _) };
    }
}
