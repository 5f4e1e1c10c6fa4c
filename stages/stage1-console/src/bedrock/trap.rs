//! The trap table: every exception of the processor ends in a report.
//!
//! Follows `set_trap_table` in Xen's `public/xen.h`, and the frame that Xen pushes (`create_bounce_frame` in its `arch/x86/x86_64/entry.S`): rcx and r11
//! lowest, since `syscall` spoils them, then an error code where the vector has one, then what the processor
//! would push. Stage 3 registers a table of its own, whose handlers may return; what they can't handle they
//! hand to [`super::report::fault`] like this one.
//!
//! Invariant: a stub turns every frame into one [`TrapFrame`], with nothing of the interrupted code lost.

use super::raw_hypercall::{number, raw_hypercall};

/// All registers at an exception, in the order in which the stubs push them (lowest address first).
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[allow(missing_docs, reason = "the registers are named after themselves")]
pub struct TrapFrame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rax: u64,
    pub rcx: u64,
    pub r11: u64,
    /// Which exception; meaningless in a frame that [`TrapFrame::here`] made.
    pub vector: u64,
    /// The error code, 0 where the vector has none.
    pub error: u64,
    pub rip: u64,
    /// The low 16 bits are the code segment; Xen keeps the event mask above.
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// One entry of a trap table (`struct trap_info`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrapInfo {
    /// Which exception.
    pub vector: u8,
    /// Bits 0 and 1: who may raise it by `int n`. Bit 2: mask events on entry.
    pub flags: u8,
    /// The code segment. Xen uses its flat one whatever stands here.
    pub cs: u16,
    /// Where the handler is; 0 ends the table.
    pub address: u64,
}

const _: () = assert!(size_of::<TrapInfo>() == 16);

/// How many exceptions the processor has.
pub const VECTORS: usize = 32;
/// Bytes from one of [`exception_stubs`](crate::exception_stubs) to the next.
pub const STUB_SIZE: u64 = 32;

// ANCHOR: install
impl TrapInfo {
    /// The table of all exceptions by their stubs' addresses, with the entry that ends it. Each masks events.
    pub fn table(stub: fn(u64) -> u64) -> [Self; VECTORS + 1] {
        const MASK_EVENTS: u8 = 4;
        const FLAT_KERNEL_CS: u16 = 0xe033;
        let mut table = [Self::default(); VECTORS + 1];
        for (vector, entry) in table[..VECTORS].iter_mut().enumerate() {
            let address = stub(vector as u64);
            *entry = Self { vector: vector as u8, flags: MASK_EVENTS, cs: FLAT_KERNEL_CS, address };
        }
        table
    }
}

/// Has Xen deliver all exceptions of this vCPU to the report.
pub(super) fn install() {
    let table = TrapInfo::table(stub);
    // SAFETY: Xen only reads the table, which ends as it must; the handlers are the stubs below.
    let result = unsafe { raw_hypercall(number::SET_TRAP_TABLE, [table.as_ptr().addr() as u64, 0, 0, 0]) };
    assert!(result == 0 || cfg!(not(guest)), "Xen refused the trap table: {result}");
}
// ANCHOR_END: install

#[cfg(guest)]
fn stub(vector: u64) -> u64 {
    unsafe extern "C" {
        static trap_stubs: u8;
    }
    (&raw const trap_stubs).addr() as u64 + STUB_SIZE * vector
}

#[cfg(not(guest))]
fn stub(vector: u64) -> u64 {
    STUB_SIZE * vector
}

/// Where the stubs arrive, events masked, on the stack of the code that faulted.
#[cfg(guest)]
#[unsafe(no_mangle)]
extern "C" fn stardust_trap(frame: &TrapFrame) -> ! {
    super::report::fault(frame)
}

/// The assembly of the stubs of all exceptions, 32 bytes each, in the order of their vectors. They go on at a label.
///
/// A stub makes room for vector and error code out of the slots that held rcx and r11: those two take their true values
/// back first. What is left to push are the fields of [`TrapFrame`](crate::bedrock::TrapFrame) below the vector.
#[macro_export]
macro_rules! exception_stubs {
    ($label:literal) => {
        concat!(
            r#"
    .irp vector, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        .balign 32
        mov rcx, [rsp]
        mov r11, [rsp + 8]
        .if (0x60227d00 >> \vector) & 1     /* 8, 10 to 14, 17, 21, 29 and 30 come with an error code */
        add rsp, 8
        .else
        mov qword ptr [rsp + 8], 0
        .endif
        mov qword ptr [rsp], \vector
        jmp "#,
            $label,
            "\n    .endr"
        )
    };
}

// The direction flag is whatever it was, so `cld` before any Rust.
#[cfg(guest)]
core::arch::global_asm!(
    r#"
    .section .text.trap, "ax", @progbits
    .balign 32
trap_stubs:
    "#,
    exception_stubs!("trap_common"),
    r#"
trap_common:
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
    mov rdi, rsp
    and rsp, -16
    call stardust_trap
    ud2
    .text
    "#,
);

impl TrapFrame {
    /// The registers as they are now, for a report that no exception began.
    ///
    /// rax and rcx are used up by the taking.
    #[inline(always)]
    #[rustfmt::skip]
    pub fn here() -> Self {
        let mut frame = Self::default();
        // SAFETY: stores to the fields of `frame`, whose offsets are the compiler's; the push is popped again.
        unsafe {
            core::arch::asm!(
                "mov [rax + {r15}], r15", "mov [rax + {r14}], r14", "mov [rax + {r13}], r13", "mov [rax + {r12}], r12",
                "mov [rax + {rbp}], rbp", "mov [rax + {rbx}], rbx", "mov [rax + {r10}], r10", "mov [rax + {r9}], r9",
                "mov [rax + {r8}], r8", "mov [rax + {rdi}], rdi", "mov [rax + {rsi}], rsi", "mov [rax + {rdx}], rdx",
                "mov [rax + {r11}], r11", "mov [rax + {rsp}], rsp",
                "lea rcx, [rip]", "mov [rax + {rip}], rcx",
                "pushfq", "pop rcx", "mov [rax + {rflags}], rcx",
                r15 = const core::mem::offset_of!(Self, r15), r14 = const core::mem::offset_of!(Self, r14),
                r13 = const core::mem::offset_of!(Self, r13), r12 = const core::mem::offset_of!(Self, r12),
                rbp = const core::mem::offset_of!(Self, rbp), rbx = const core::mem::offset_of!(Self, rbx),
                r10 = const core::mem::offset_of!(Self, r10), r9 = const core::mem::offset_of!(Self, r9),
                r8 = const core::mem::offset_of!(Self, r8), rdi = const core::mem::offset_of!(Self, rdi),
                rsi = const core::mem::offset_of!(Self, rsi), rdx = const core::mem::offset_of!(Self, rdx),
                r11 = const core::mem::offset_of!(Self, r11), rsp = const core::mem::offset_of!(Self, rsp),
                rip = const core::mem::offset_of!(Self, rip), rflags = const core::mem::offset_of!(Self, rflags),
                in("rax") &raw mut frame,
                out("rcx") _,
            );
        }
        frame
    }
}
