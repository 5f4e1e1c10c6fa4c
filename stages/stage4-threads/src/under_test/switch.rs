//! Switches at which every register that matters is known.
//!
//! Invariant: these are ordinary functions to their callers, whatever the switch in their middle does to the registers.

use core::arch::naked_asm;

/// rbx, rbp, r12, r13, r14, r15.
pub type Registers = [u64; 6];

/// What a new stack finds at its first instruction, and the way back from it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// rsp, behind the call.
    pub rsp: u64,
    /// rbp.
    pub rbp: u64,
    /// MXCSR.
    pub mxcsr: u32,
    /// The x87 control word.
    pub x87: u16,
    /// What to load to go back.
    pub back: u64,
    /// Where the new stack's registers are, once it has gone back.
    pub own: u64,
    /// How often the new stack has run.
    pub runs: u64,
}

/// Switches with these values in the registers; afterwards `values` holds what the registers hold then.
///
/// # Safety
/// As [`context::switch`](crate::context::switch), and `values` valid.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn with_registers(values: *mut Registers, save: *mut u64, load: u64) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdi",
        "mov rbx, [rdi]",
        "mov rbp, [rdi + 8]",
        "mov r12, [rdi + 16]",
        "mov r13, [rdi + 24]",
        "mov r14, [rdi + 32]",
        "mov r15, [rdi + 40]",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "call {switch}",
        "pop rdi",
        "mov [rdi], rbx",
        "mov [rdi + 8], rbp",
        "mov [rdi + 16], r12",
        "mov [rdi + 24], r13",
        "mov [rdi + 32], r14",
        "mov [rdi + 40], r15",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        switch = sym crate::switch::switch,
    )
}

/// An entry that notes how it was arrived at, and goes back whenever it runs. Its argument is the address of an [`Arrival`].
///
/// # Safety
/// For [`context::prepare`](crate::context::prepare); the arrival must stay.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn arrive(arrival: u64) -> ! {
    naked_asm!(
        "mov [rdi], rsp",
        "mov [rdi + 8], rbp",
        "stmxcsr [rdi + 16]",
        "fnstcw [rdi + 20]",
        "mov r12, rdi",
        "2:",
        "inc qword ptr [r12 + 40]",
        "lea rdi, [r12 + 32]",
        "mov rsi, [r12 + 24]",
        "sub rsp, 8",
        "call {switch}",
        "add rsp, 8",
        "jmp 2b",
        switch = sym crate::switch::switch,
    )
}

/// The two control words: MXCSR and the x87 control word.
pub fn control_words() -> (u32, u16) {
    let (mut mxcsr, mut x87) = (0_u32, 0_u16);
    // SAFETY: stores the control word in a variable.
    unsafe { core::arch::asm!("fnstcw [{}]", in(reg) &raw mut x87, options(nostack, preserves_flags)) };
    // SAFETY: as above.
    unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags)) };
    (mxcsr, x87)
}

/// Sets both control words.
///
/// # Safety
/// Rust code must not compute with floating-point numbers until they are as before.
pub unsafe fn set_control_words((mxcsr, x87): (u32, u16)) {
    // SAFETY: by this function's contract.
    unsafe { core::arch::asm!("fldcw [{}]", in(reg) &raw const x87, options(nostack, preserves_flags)) };
    // SAFETY: as above.
    unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack, preserves_flags)) };
}
