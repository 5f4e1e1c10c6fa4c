//! Small programs to look at events and time with.
//!
//! Invariant: each prints what it saw, a line a fact, and ends.

use console::demo::Demo;
use console::options::{Key, Values};

mod ticks;

/// The demos of stage 3.
pub const DEMOS: &[Demo] =
    &[Demo { name: "ticks", keys: &[Key { name: "count", values: Values::Number }], run: ticks::ticks }];
