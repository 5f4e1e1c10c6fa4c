//! The way in from Xen, and the way back: exceptions and events, one path for both.
//!
//! Follows the frame that Xen pushes (`create_bounce_frame` in its `arch/x86/x86_64/entry.S`) right below the interrupted
//! rsp: rcx and r11 lowest, then an error code where there is one, then what the processor would push. And it follows
//! the iret hypercall (`struct iret_context` in `public/arch-x86/xen-x86_64.h`), by which all of this returns: it
//! restores the event mask and the registers in one step, and then looks for events. With the processor's own
//! `iretq` there would be a moment between unmasking and returning in which one more event nests on the same stack, and
//! the next, without an end.
//!
//! Invariant: everything that the interrupted code can tell comes back as it was, the extended state included; rsp never
//! rises above what is still needed, and the stack below holds nothing that a nested exception could overwrite.

use console::bedrock::{STUB_SIZE, TrapFrame, TrapInfo, VECTORS, report};

use crate::context::{Context, Resume};
use crate::{trap, upcall};

/// Stands in a frame where an exception has its vector: an event.
pub const EVENT: u64 = 256;
/// The same for Xen's failsafe callback: a segment register could not be loaded.
const FAILSAFE: u64 = 257;

/// The trap table: every exception enters here, with events masked.
static TABLE: spin::Once<[TrapInfo; VECTORS + 1]> = spin::Once::new();

/// The table to register on each vCPU. Its last entry ends it.
pub fn trap_table() -> &'static [TrapInfo; VECTORS + 1] {
    TABLE.call_once(|| TrapInfo::table(stub))
}

/// Where Xen enters with an event: what a vCPU's event callback is to be.
pub fn event_address() -> u64 {
    stub(VECTORS as u64)
}

/// Where Xen enters if it can't load a segment register: what a vCPU's failsafe callback is to be.
pub fn failsafe_address() -> u64 {
    stub(VECTORS as u64 + 1)
}

#[cfg(guest)]
fn stub(number: u64) -> u64 {
    unsafe extern "C" {
        static stardust_entries: u8;
    }
    (&raw const stardust_entries).addr() as u64 + STUB_SIZE * number
}

#[cfg(not(guest))]
fn stub(number: u64) -> u64 {
    STUB_SIZE * (number + 1)
}

// ANCHOR: interrupted
/// Where every entry leads, events masked, on the interrupted stack. Returns what to go on with.
#[cfg_attr(not(guest), allow(dead_code, reason = "only the entry code calls it"))]
extern "C" fn interrupted(context: *mut Context) -> Resume {
    // SAFETY: the entry code has just written the registers; the reference ends before the context is handed on.
    let frame: &mut TrapFrame = unsafe { &mut (*context).registers };
    match frame.vector {
        EVENT => upcall::take(context),
        FAILSAFE => panic!("Xen could not load a segment register of the code at {:#x}", frame.rip),
        _ => {
            if !trap::handle(frame) {
                report::fault(frame);
            }
            Resume::same(context)
        }
    }
}
// ANCHOR_END: interrupted

// The stubs for events and for the failsafe callback do what those for exceptions do. An event's frame has no error code. The
// failsafe's has four segment registers more, which make the room.
//
// Before the call, two words are pushed that look as if the interrupted code had called: so a backtrace goes through.
#[cfg(guest)]
core::arch::global_asm!(
    r#"
    .section .text.entry, "ax", @progbits
    .balign {stub_size}
    .global stardust_entries
stardust_entries:
    "#,
    console::exception_stubs!("entry_common"),
    r#"
    .balign {stub_size}
    mov rcx, [rsp]                          /* an event */
    mov r11, [rsp + 8]
    mov qword ptr [rsp + 8], 0
    mov qword ptr [rsp], {event}
    jmp entry_common
    .balign {stub_size}
    mov rcx, [rsp]                          /* the failsafe callback */
    mov r11, [rsp + 8]
    add rsp, 48
    push 0
    push {failsafe}
    jmp entry_common

/* ANCHOR: entry */
entry_common:
    push r11
    push rcx
    push rax
    push rdx
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp                            /* the context */
    sub rsp, {size}[rip]
    and rsp, -64
    xor eax, eax                            /* xsave wants its header to be zero */
    .irp offset, 512, 520, 528, 536, 544, 552, 560, 568
        mov [rsp + \offset], rax
    .endr
    mov eax, dword ptr {components}[rip]
    mov edx, dword ptr {components}[rip + 4]
    xsave64 [rsp]
    push qword ptr [rdi + {rip_offset}]
    push rbp
    mov rbp, rsp
    call {interrupted}
/* ANCHOR_END: entry */

    .global stardust_resume
/* ANCHOR: resume */
stardust_resume:                            /* rax: the context, rdx: the byte that says we have left */
    mov rsi, rdx
    mov rdi, rax
    mov rcx, rax
    sub rcx, {size}[rip]
    and rcx, -64
    mov eax, dword ptr {components}[rip]
    mov edx, dword ptr {components}[rip + 4]
    xrstor64 [rcx]
    mov rsp, rdi
    test rsi, rsi
    jz 1f
    mov byte ptr [rsi], 0
1:  pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rdx
    pop rax
    pop rcx
    pop r11
    add rsp, 8                              /* the vector */
    mov qword ptr [rsp], 0                  /* the error code's slot: struct iret_context's flags */
    push rcx
    push r11
    push rax
hypercall_iret:
    mov eax, 23
    syscall
    ud2
/* ANCHOR_END: resume */
    .text
    "#,
    stub_size = const STUB_SIZE,
    event = const EVENT,
    failsafe = const FAILSAFE,
    rip_offset = const core::mem::offset_of!(TrapFrame, rip),
    size = sym crate::extended_state::SIZE,
    components = sym crate::extended_state::COMPONENTS,
    interrupted = sym interrupted,
);
