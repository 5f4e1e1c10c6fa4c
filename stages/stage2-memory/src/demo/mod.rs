//! The demos of stage 2.

use console::demo::Demo;
use console::options::{Key, Values};

mod pages;

/// The keys that every program understands from stage 2 on.
const HEAP: Key = Key { name: "heap", values: Values::OneOf(&["watch"]) };

/// What stage 2 adds to the demos below.
pub const DEMOS: &[Demo] = &[Demo { name: "memory", keys: &[HEAP], run: pages::memory }];
