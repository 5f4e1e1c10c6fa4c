//! What Xen has to know to start another vCPU.
//!
//! Follows `struct vcpu_guest_context` in Xen's `public/arch-x86/xen.h`. A vCPU that was never started has no state at all:
//! no stack, no page tables, no trap table. `VCPUOP_initialise` takes all of that at once from a structure of 5168 bytes; what is
//! left 0 is off. What matters here:
//!
//! | field | value |
//! |---|---|
//! | `flags` | [`FLAGS_KERNEL_MODE`] and no other: with `VGCF_online`, Xen would believe that the vCPU runs already, and never start it |
//! | `registers` | where it begins, on which stack, with which argument |
//! | `traps` | one entry a vector, at the vector's index: unlike in `set_trap_table`, which takes a list |
//! | `kernel_ss`, `kernel_sp` | the stack for entries from user mode. There are none, but Xen checks the selector |
//! | `control[3]` | the page table, as an address in the machine's memory |
//! | `event_callback`, `failsafe_callback` | where Xen enters |
//! | `gs_base_kernel` | the vCPU's own data |
//!
//! Invariant: the layout is Xen's, which a test compares number by number.

use console::bedrock::TrapInfo;
use console::types::Mfn;

use crate::vcpu_context as exercise;

/// In `flags`: the vCPU begins in the guest's kernel (`VGCF_IN_KERNEL`).
pub const FLAGS_KERNEL_MODE: u64 = 4;
/// The selector of Xen's flat code segment.
pub const FLAT_CODE: u16 = 0xe033;
/// The selector of Xen's flat stack segment.
pub const FLAT_STACK: u16 = 0xe02b;
/// rflags with nothing but the interrupt flag, and the bit that is always set. (Events are masked in a new vCPU all the same.)
pub const RFLAGS_EVENTS_ON: u64 = 0x202;

/// How a vCPU is to begin.
#[derive(Clone, Copy, Debug)]
pub struct VcpuStart<'a> {
    /// The address of its first instruction, a function.
    pub entry: u64,
    /// The function's argument.
    pub argument: u64,
    /// Where its stack ends, a multiple of 16.
    pub stack_top: u64,
    /// The frame of the top-level page table.
    pub page_table: Mfn,
    /// Where gs leads.
    pub gs_base: u64,
    /// Where exceptions arrive, in any order.
    pub traps: &'a [TrapInfo],
    /// Where events arrive.
    pub event: u64,
    /// Where failed loads of segment registers arrive.
    pub failsafe: u64,
}

/// The general registers (`struct cpu_user_regs`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[allow(missing_docs, reason = "the registers are named after themselves")]
pub struct Registers {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub error_code: u32,
    pub entry_vector: u32,
    pub rip: u64,
    pub cs: u16,
    pub padding: u16,
    pub saved_upcall_mask: u32,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
    pub es: u64,
    pub ds: u64,
    pub fs: u64,
    pub gs: u64,
}

/// A vCPU's whole state (`struct vcpu_guest_context`).
#[repr(C, align(16))]
pub struct VcpuContext {
    /// The floating-point registers, as `fxsave` writes them.
    pub fpu: [u8; 512],
    /// What holds for the vCPU: [`FLAGS_KERNEL_MODE`] and others.
    pub flags: u64,
    /// The general registers.
    pub registers: Registers,
    /// Where exceptions arrive, by vector.
    pub traps: [TrapInfo; 256],
    /// The local descriptor table.
    pub ldt_base: u64,
    /// Its length.
    pub ldt_entries: u64,
    /// The frames of the global descriptor table.
    pub gdt_frames: [u64; 16],
    /// Its length.
    pub gdt_entries: u64,
    /// The stack for entries from user mode: its segment.
    pub kernel_ss: u64,
    /// The stack for entries from user mode: its top.
    pub kernel_sp: u64,
    /// The control registers 0 to 7.
    pub control: [u64; 8],
    /// The debug registers 0 to 7.
    pub debug: [u64; 8],
    /// Where events arrive.
    pub event_callback: u64,
    /// Where failed loads of segment registers arrive.
    pub failsafe_callback: u64,
    /// Where system calls of user programs arrive.
    pub syscall_callback: u64,
    /// What Xen is to emulate.
    pub vm_assist: u64,
    /// The base of fs.
    pub fs_base: u64,
    /// The base of gs in the kernel.
    pub gs_base_kernel: u64,
    /// The base of gs in user programs.
    pub gs_base_user: u64,
}

impl VcpuContext {
    /// All zeros.
    pub const fn zeroed() -> Self {
        // SAFETY: the structure consists of integers, for which zeros are values.
        unsafe { core::mem::zeroed() }
    }
}

/// Fills a context of zeros, so that the vCPU begins as `start` says; exercise 4d.
pub fn fill(context: &mut VcpuContext, start: &VcpuStart<'_>) {
    exercise::fill(context, start);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::mem::offset_of;

    #[test]
    fn the_layout_is_xens() {
        assert_eq!((size_of::<VcpuContext>(), size_of::<Registers>(), size_of::<TrapInfo>()), (5168, 200, 16));
        let context = [
            offset_of!(VcpuContext, flags),
            offset_of!(VcpuContext, registers),
            offset_of!(VcpuContext, traps),
            offset_of!(VcpuContext, gdt_frames),
            offset_of!(VcpuContext, kernel_ss),
            offset_of!(VcpuContext, control),
            offset_of!(VcpuContext, event_callback),
            offset_of!(VcpuContext, gs_base_kernel),
        ];
        assert_eq!(context, [0x200, 0x208, 0x2d0, 0x12e0, 0x1368, 0x1378, 0x13f8, 0x1420]);
        let registers = [
            offset_of!(Registers, rdi),
            offset_of!(Registers, rip),
            offset_of!(Registers, cs),
            offset_of!(Registers, rflags),
            offset_of!(Registers, rsp),
            offset_of!(Registers, ss),
            offset_of!(Registers, gs),
        ];
        assert_eq!(registers, [0x70, 0x80, 0x88, 0x90, 0x98, 0xa0, 0xc0]);
    }

    #[test]
    fn a_vcpu_begins_as_asked() {
        let traps =
            [3, 14].map(|vector| TrapInfo { vector, flags: 4, cs: FLAT_CODE, address: 100 + u64::from(vector) });
        let start = VcpuStart {
            entry: 1,
            argument: 2,
            stack_top: 0x3000,
            page_table: Mfn(4),
            gs_base: 5,
            traps: &traps,
            event: 6,
            failsafe: 7,
        };
        let mut context = VcpuContext::zeroed();
        fill(&mut context, &start);
        let registers = &context.registers;
        assert_eq!((registers.rip, registers.rdi, registers.rsp, registers.rflags), (1, 2, 0x2ff8, 0x202));
        assert_eq!((registers.cs, registers.ss, context.kernel_ss), (0xe033, 0xe02b, 0xe02b));
        assert_eq!((context.flags, context.control, context.gdt_entries), (4, [0, 0, 0, 0x4000, 0, 0, 0, 0], 0));
        assert_eq!((context.gs_base_kernel, context.event_callback, context.failsafe_callback), (5, 6, 7));
        assert_eq!((context.traps[3], context.traps[14], context.traps[0]), (traps[0], traps[1], TrapInfo::default()));
    }
}
