//! The first instructions, and the stack they run on.
//!
//! Xen enters with rsi = the address of `start_info` and rsp at the top of a stack of one page, which
//! lies among pages that later stages hand out. Invariant: from the first instruction on, rsp lies in the boot
//! stack below, in which every word that [`super::backtrace`] can reach was pushed by this kernel. The page under
//! the stack is unmapped by [`super::protect`]: an overflow is a certain crash, not silent damage.

use core::ops::Range;

/// Bytes in the boot stack. Xen pushes its exception frames there too.
#[cfg(guest)]
const STACK_SIZE: usize = 128 * 1024;

// `xor ebp, ebp` marks the end of the chain of frames. MXCSR gets the value that Rust assumes; DF must be clear.
#[cfg(guest)]
core::arch::global_asm!(
    r#"
    .section .text.boot, "ax", @progbits
    .global _start, first_ticks
/* ANCHOR: first_instructions */
_start:
    rdtsc                               /* when the guest began: for `app=bench` */
    mov first_ticks[rip], eax
    mov first_ticks[rip + 4], edx
    cld
    lea rsp, boot_stack_top[rip]
    fninit
    ldmxcsr initial_mxcsr[rip]
    xor ebp, ebp
    mov rdi, rsi
    call stardust_start
    ud2
/* ANCHOR_END: first_instructions */

    .section .rodata.boot, "a", @progbits
    .balign 4
initial_mxcsr: .long 0x1f80

    .section .bss.first_ticks, "aw", @nobits
    .balign 8
first_ticks: .skip 8

    .section .bss.boot_stack, "aw", @nobits
    .balign 4096
    .global boot_stack_guard, boot_stack_bottom, boot_stack_top
boot_stack_guard: .skip 4096
boot_stack_bottom: .skip {stack_size}
boot_stack_top:
    .text
    "#,
    stack_size = const STACK_SIZE,
);

/// The page that must never be touched, under the boot stack.
pub fn boot_stack_guard() -> Range<u64> {
    let bottom = boot_stack().start;
    bottom.saturating_sub(4096)..bottom
}

/// The stack of the first vCPU.
#[cfg(guest)]
pub fn boot_stack() -> Range<u64> {
    unsafe extern "C" {
        static boot_stack_bottom: u8;
    }
    let bottom = (&raw const boot_stack_bottom).addr() as u64;
    bottom..bottom + STACK_SIZE as u64
}

/// The stack of the first vCPU: there is none in a host build.
#[cfg(not(guest))]
pub fn boot_stack() -> Range<u64> {
    0..0
}

/// What the time stamp counter was at the first instruction.
#[cfg(guest)]
pub fn first_ticks() -> u64 {
    unsafe extern "C" {
        static first_ticks: u64;
    }
    // SAFETY: only the first instructions write it.
    unsafe { first_ticks }
}

/// There was no first instruction in a host build.
#[cfg(not(guest))]
pub fn first_ticks() -> u64 {
    0
}
