//! What stage 2 adds to reports: names for its addresses, and the stacks that it made.
//!
//! Invariant: nothing here locks, allocates or runs through an exercise.

use core::ops::Range;

use console::bedrock::boot_stack;
use console::bedrock::report::{self, Hooks};

use crate::layout;
use crate::stack;

static HOOKS: Hooks = Hooks { cpu: || 0, stack, region, thread: || None };

/// Tells reports about this stage.
pub(crate) fn start() {
    report::set_hooks(&HOOKS);
}

/// The stack that this rsp lies in.
pub fn stack(rsp: u64) -> Range<u64> {
    stack::find(rsp).map_or_else(boot_stack, |found| found.range)
}

/// The name of what lies at an address.
pub fn region(address: u64) -> Option<&'static str> {
    if layout::STACKS.contains(&address) {
        return Some(match stack::find(address) {
            Some(found) if found.guard.contains(&address) => "the guard page of a stack",
            Some(_) => "a stack",
            None => "the place for stacks, where none is",
        });
    }
    let known = [
        (layout::DIRECT_MAP, "the direct map"),
        (layout::AREA, "the area for mappings on demand"),
        (layout::HEAP, "the heap"),
    ];
    known.iter().find(|(range, _)| range.contains(&address)).map(|(_, name)| *name)
}
