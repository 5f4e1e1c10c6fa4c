//! Exercise 4d: the context of another vCPU. (Its reference is solutions/stage4-threads/vcpu_context.rs.)
//!
//! [`smp::context`](crate::smp::context) has the structure, and says what Xen does with it.

use crate::lab_todo;
use crate::smp::context::{VcpuContext, VcpuStart};

/// Fills the context, which is all zeros, so that the vCPU begins with a call of `start.entry(start.argument)`.
///
/// - It runs in kernel mode, with the flat segments, on the stack that ends at `start.stack_top` (a multiple of 16): rsp is
///   what a function finds that was called, so one word below the top.
/// - Its page tables are `start.page_table`'s: a machine *address* in control register 3.
/// - Exceptions and events arrive where `start` says. The traps stand in the table each at the index of its vector.
/// - gs leads to `start.gs_base`.
pub fn fill(context: &mut VcpuContext, start: &VcpuStart<'_>) {
    lab_todo!("4d", context, start)
}
