//! What reports and the log tell from this stage on: which vCPU, and which thread.
//!
//! Invariant: as [`Hooks`] demands, nothing here locks, allocates or faults.

use core::fmt;

use console::bedrock::cpu;
use console::bedrock::report::{self, Hooks};

use crate::scheduler;

static HOOKS: Hooks =
    Hooks { cpu: || cpu::current().id(), stack: memory::region::stack, region: memory::region::region, thread };

fn thread() -> Option<(u64, &'static str)> {
    scheduler::is_up().then(|| (scheduler::current().number, scheduler::current().name.as_str()))
}

/// What stands in a message of the log behind the vCPU. Messages are written under the console's lock, so the thread stays on that
/// vCPU.
fn stamp(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " {}", scheduler::current().name)
}

/// Tells reports and the log about this stage.
pub(crate) fn start() {
    report::set_hooks(&HOOKS);
    events::stamp::set_thread(stamp);
}
