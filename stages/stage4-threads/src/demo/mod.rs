//! Small programs to look at threads with.
//!
//! Invariant: each prints what it saw, a line a fact, and ends; but for those that fail on purpose.

use core::time::Duration;

use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::demo::Demo;
use console::options::{Key, Values};

use crate::cpu_set::CpuSet;
use crate::thread::{self, Builder, JoinHandle};

mod away;
mod clock;
mod leaving;
mod misuse;
mod online;
mod own;
mod pingpong;
mod reopen;
mod slices;
mod smp;
mod spawn;
mod stacks;
mod sync;
mod tasks;
mod threads;
mod traffic;

const COUNT: Key = Key { name: "count", values: Values::Number };
const MILLISECONDS: Key = Key { name: "ms", values: Values::Number };
const SEED: Key = Key { name: "seed", values: Values::Number };
const LOCKS: Key = crate::sync::order::KEY;

/// The demos of stage 4.
pub const DEMOS: &[Demo] = &[
    Demo { name: "threads", keys: &[LOCKS], run: threads::threads },
    Demo { name: "smp", keys: &[MILLISECONDS], run: smp::smp },
    Demo { name: "own", keys: &[MILLISECONDS], run: own::own },
    Demo { name: "pingpong", keys: &[COUNT], run: pingpong::pingpong },
    Demo { name: "tasks", keys: &[COUNT], run: tasks::tasks },
    Demo { name: "spawn", keys: &[COUNT], run: spawn::spawn },
    Demo { name: "online", keys: &[COUNT], run: online::online },
    Demo { name: "away", keys: &[], run: away::away },
    Demo { name: "reopen", keys: &[COUNT], run: reopen::reopen },
    Demo { name: "slices", keys: &[MILLISECONDS], run: slices::slices },
    Demo { name: "priorities", keys: &[MILLISECONDS], run: slices::priorities },
    Demo { name: "sync", keys: &[COUNT], run: sync::sync },
    Demo { name: "stacks", keys: &[], run: stacks::stacks },
    Demo { name: "clock", keys: &[MILLISECONDS], run: clock::clock },
    Demo { name: "traffic", keys: &[COUNT, SEED], run: traffic::traffic },
    Demo { name: "misuse", keys: &[Key { name: "misuse", values: Values::OneOf(misuse::KINDS) }], run: misuse::misuse },
];

/// A number on the command line.
fn number(command_line: CommandLine<'_>, key: &str, default: u64) -> u64 {
    command_line.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Has a few threads sleep on every vCPU, for demos that compare the memory before and after: queues of timers, and lists of threads,
/// are made when they are first needed, and kept.
fn warm_up() {
    for cpu in crate::smp::online().iter() {
        let there = Builder::new().affinity(CpuSet::one(cpu));
        let sleepers = (0..12).filter_map(|_| there.spawn(|| thread::sleep(Duration::from_millis(5))).ok());
        let sleepers: Vec<JoinHandle<()>> = sleepers.collect();
        sleepers.into_iter().for_each(JoinHandle::join);
    }
}
