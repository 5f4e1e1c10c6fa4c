//! Small programs to look at the kernel with: `app=` on the command line chooses one.
//!
//! Invariant: whatever the command line says, one demo runs; when it returns, the guest powers off.

use crate::boot_info::CommandLine;
use crate::options::{self, Key, Values};
use crate::{Boot, bench, println};

pub mod fault;
mod pattern;
mod speak;

/// A program that `app=` can name.
#[derive(Clone, Copy)]
pub struct Demo {
    /// Its name behind `app=`.
    pub name: &'static str,
    /// The keys that it understands.
    pub keys: &'static [Key],
    /// The program.
    pub run: fn(CommandLine<'_>),
}

/// The demos of stage 1, which every later stage has too. The first is what runs without `app=`.
pub const DEMOS: &[Demo] = &[
    Demo { name: "hello", keys: &[], run: speak::hello },
    Demo { name: "echo", keys: &[], run: speak::echo },
    Demo { name: "hang", keys: &[], run: speak::hang },
    Demo { name: "panic", keys: &[Key { name: "panic", values: Values::OneOf(fault::PANICS) }], run: fault::panic },
    Demo { name: "fault", keys: &[Key { name: "fault", values: Values::OneOf(fault::FAULTS) }], run: fault::fault },
    Demo { name: "pattern", keys: &[Key { name: "size", values: Values::Number }], run: pattern::pattern },
    Demo { name: "bench", keys: bench::KEYS, run: bench::run },
];

/// Most demos, and most keys, that all stages together may have.
const MOST: usize = 64;

/// Runs the demo that the command line names, the first one by default, and names the line's mistakes before.
pub fn run(boot: &Boot, demos: &[&[Demo]]) {
    bench::TO_MAIN.reached();
    let all = || demos.iter().copied().flatten().take(MOST);
    let mut names = [""; MOST];
    let mut keys: [&[Key]; MOST] = [&[]; MOST];
    keys[0] = options::KEYS;
    for (index, demo) in all().enumerate() {
        names[index] = demo.name;
        keys[(index + 1).min(MOST - 1)] = demo.keys;
    }
    options::review(boot.command_line, &names[..all().count()], &keys);

    let chosen = boot.command_line.get("app");
    let demo = all().find(|demo| Some(demo.name) == chosen).or_else(|| all().next());
    match demo {
        Some(demo) => {
            log::debug!("running {}", demo.name);
            (demo.run)(boot.command_line);
        }
        None => println!("there is nothing to run"),
    }
}
