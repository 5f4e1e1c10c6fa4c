//! Small programs to look at threads with.
//!
//! Invariant: each prints what it saw, a line a fact, and ends; but for those that fail on purpose.

use console::boot_info::CommandLine;
use console::demo::Demo;
use console::options::{Key, Values};

mod leaving;
mod misuse;
mod online;
mod own;
mod pingpong;
mod reopen;
mod smp;
mod spawn;
mod tasks;
mod threads;

const COUNT: Key = Key { name: "count", values: Values::Number };
const MILLISECONDS: Key = Key { name: "ms", values: Values::Number };
const LOCKS: Key = Key { name: "debug", values: Values::OneOf(&["locks"]) };

/// The demos of stage 4.
pub const DEMOS: &[Demo] = &[
    Demo { name: "threads", keys: &[LOCKS], run: threads::threads },
    Demo { name: "smp", keys: &[MILLISECONDS], run: smp::smp },
    Demo { name: "own", keys: &[MILLISECONDS], run: own::own },
    Demo { name: "pingpong", keys: &[COUNT], run: pingpong::pingpong },
    Demo { name: "tasks", keys: &[COUNT], run: tasks::tasks },
    Demo { name: "spawn", keys: &[COUNT], run: spawn::spawn },
    Demo { name: "online", keys: &[COUNT], run: online::online },
    Demo { name: "reopen", keys: &[COUNT], run: reopen::reopen },
    Demo { name: "misuse", keys: &[Key { name: "misuse", values: Values::OneOf(misuse::KINDS) }], run: misuse::misuse },
];

/// A number on the command line.
fn number(command_line: CommandLine<'_>, key: &str, default: u64) -> u64 {
    command_line.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
}
