//! Small programs to look at threads with.
//!
//! Invariant: each prints what it saw, a line a fact, and ends.

use console::demo::Demo;
use console::options::{Key, Values};

mod threads;

const LOCKS: Key = Key { name: "debug", values: Values::OneOf(&["locks"]) };

/// The demos of stage 4.
pub const DEMOS: &[Demo] = &[Demo { name: "threads", keys: &[LOCKS], run: threads::threads }];
