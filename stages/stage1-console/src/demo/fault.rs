//! The demos that fail on purpose: `app=panic` and `app=fault`, each in several kinds.
//!
//! Xen turns each into an exception for the guest. Invariant: each kind ends in a report, but for `stack`,
//! which leaves no stack to report from: Xen ends the domain and shows the registers. (Functions stay out of
//! line, for their names in the backtrace.)

use core::fmt;
use core::sync::atomic::AtomicU8;

use crate::boot_info::CommandLine;
use crate::{output, println};

/// The values of `panic=`; the first is the default.
pub(super) const PANICS: &[&str] = &["plain", "nested", "locked"];

/// Panics: just so, while the message of another panic is being printed, or while the console is locked.
pub(super) fn panic(command_line: CommandLine<'_>) {
    println!("about to panic");
    match command_line.get("panic") {
        Some("nested") => panic!("{}", PanicsWhenShown),
        Some("locked") => output::hold(|| panic!("the console is locked")),
        _ => panic!("this is a demonstration"),
    }
}

struct PanicsWhenShown;

impl fmt::Display for PanicsWhenShown {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a panic within a panic")
    }
}

/// The values of `fault=`; the first is the default.
pub(super) const FAULTS: &[&str] =
    &["null", "text", "rodata", "exec", "opcode", "divide", "privileged", "noncanonical", "breakpoint", "stack"];

/// Has the processor refuse something.
pub(super) fn fault(command_line: CommandLine<'_>) {
    let kind = command_line.get("fault").filter(|kind| FAULTS.contains(kind)).unwrap_or(FAULTS[0]);
    println!("about to fault: {kind}");
    match kind {
        "text" => write_to(fault as *const () as u64),
        "rodata" => write_to(FAULTS.as_ptr().addr() as u64),
        "exec" => execute_data(),
        "opcode" => invalid_opcode(),
        "divide" => divide_by_zero(),
        "privileged" => disable_interrupts(),
        "noncanonical" => write_to(0x8000_0000_0000_0000),
        "breakpoint" => breakpoint(),
        "stack" => println!("{}", overflow_stack(0)),
        _ => write_to(0x10),
    }
    println!("nothing happened");
}

/// Writes a byte to an address that is not there, or not for writing; for later stages' demos too.
#[inline(never)]
pub fn write_to(address: u64) {
    // SAFETY: none: this faults, which is the point. Assembly, since a store through a bad pointer is no fault but
    // undefined in Rust.
    unsafe { core::arch::asm!("mov byte ptr [{}], 0", in(reg) address) };
}

#[inline(never)]
fn execute_data() {
    static DATA: AtomicU8 = AtomicU8::new(0xc3); // would be `ret`
    // SAFETY: the call faults at once, as data can't be executed; if it didn't, the byte there returns.
    unsafe { core::arch::asm!("call {}", in(reg) DATA.as_ptr(), clobber_abi("C")) };
}

#[inline(never)]
fn invalid_opcode() {
    // SAFETY: none: `ud2` faults, which is the point.
    unsafe { core::arch::asm!("ud2") };
}

#[inline(never)]
fn divide_by_zero() {
    // SAFETY: none: it faults, which is the point. Rust's own division checks first.
    unsafe { core::arch::asm!("xor ecx, ecx", "div ecx", out("rcx") _, inout("rax") 1 => _, inout("rdx") 0 => _) };
}

#[inline(never)]
fn disable_interrupts() {
    // SAFETY: none: a guest of Xen may not, and faults, which is the point.
    unsafe { core::arch::asm!("cli") };
}

#[inline(never)]
fn breakpoint() {
    // SAFETY: none: it traps, which is the point.
    unsafe { core::arch::asm!("int3") };
}

/// Calls itself until the stack is used up. Xen then has nowhere to push an exception, and ends the domain.
#[allow(unconditional_recursion, reason = "this is the demonstration")]
#[inline(never)]
fn overflow_stack(depth: u64) -> u64 {
    let room = core::hint::black_box([depth; 64]);
    overflow_stack(depth + 1) + room[(depth % 64) as usize]
}
