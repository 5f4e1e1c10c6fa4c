//! The demos of stage 2: look at memory, use it, and misuse it.
//!
//! Invariant: each prints what it observed, in lines that a test can read.

use console::demo::Demo;
use console::options::{Key, Values};

mod area;
mod churn;
mod heap;
mod pages;
mod stack;

/// What every program understands from stage 2 on: whether the heap is watched.
const HEAP: Key = crate::heap::KEY;
const MISTAKE: Key = Key { name: "mistake", values: Values::OneOf(heap::MISTAKES) };
const COUNT: Key = Key { name: "count", values: Values::Number };
const SEED: Key = Key { name: "seed", values: Values::Number };
const STACK: Key = Key { name: "stack", values: Values::OneOf(stack::KINDS) };
const AREA: Key = Key { name: "area", values: Values::OneOf(area::KINDS) };

/// What stage 2 adds to the demos below.
pub const DEMOS: &[Demo] = &[
    Demo { name: "memory", keys: &[HEAP], run: pages::memory },
    Demo { name: "heap", keys: &[MISTAKE], run: heap::heap },
    Demo { name: "churn", keys: &[COUNT, SEED], run: churn::churn },
    Demo { name: "area", keys: &[AREA], run: area::area },
    Demo { name: "stack", keys: &[STACK], run: stack::stack },
];
