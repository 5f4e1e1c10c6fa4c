//! What reports tell from this stage on: which vCPU, and which thread.
//!
//! Invariant: as [`Hooks`] demands, nothing here locks, allocates or faults.

use console::bedrock::cpu;
use console::bedrock::report::{self, Hooks};

use crate::scheduler;

static HOOKS: Hooks =
    Hooks { cpu: || cpu::current().id(), stack: memory::region::stack, region: memory::region::region, thread };

fn thread() -> Option<(u64, &'static str)> {
    scheduler::is_up().then(|| (scheduler::current().number, scheduler::current().name.as_str()))
}

/// Tells reports about this stage.
pub(crate) fn start() {
    report::set_hooks(&HOOKS);
}
