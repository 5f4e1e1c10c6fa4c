//! Reference for exercise 4d: the context of another vCPU.

use crate::smp::context::{FLAGS_KERNEL_MODE, FLAT_CODE, FLAT_STACK, RFLAGS_EVENTS_ON, VcpuContext, VcpuStart};

/// Fills the context so that the vCPU begins with a call of `start.entry(start.argument)`.
pub fn fill(context: &mut VcpuContext, start: &VcpuStart<'_>) {
    context.flags = FLAGS_KERNEL_MODE;
    let registers = &mut context.registers;
    registers.rip = start.entry;
    registers.rdi = start.argument;
    registers.rsp = start.stack_top - 8;
    registers.rflags = RFLAGS_EVENTS_ON;
    registers.cs = FLAT_CODE;
    registers.ss = FLAT_STACK.into();
    context.kernel_ss = FLAT_STACK.into();
    context.kernel_sp = start.stack_top;
    context.control[3] = start.page_table.0 << 12;
    context.gs_base_kernel = start.gs_base;
    context.event_callback = start.event;
    context.failsafe_callback = start.failsafe;
    for trap in start.traps {
        context.traps[usize::from(trap.vector)] = *trap;
    }
}
