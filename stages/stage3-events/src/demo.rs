//! Small programs to look at exceptions, events and time with.
//!
//! Invariant: each prints what it saw, a line a fact, and ends.

use console::boot_info::CommandLine;
use console::demo::Demo;
use console::options::{Key, Values};

mod exception;
mod idle;
mod loopback;
mod ports;
mod probe;
pub mod registers;
mod segment;
mod storm;
mod ticks;
mod time;
mod timers;

const COUNT: &[Key] = &[Key { name: "count", values: Values::Number }];
const SECONDS: &[Key] = &[Key { name: "seconds", values: Values::Number }];

/// The demos of stage 3.
pub const DEMOS: &[Demo] = &[
    Demo { name: "ports", keys: COUNT, run: ports::ports },
    Demo { name: "loopback", keys: COUNT, run: loopback::loopback },
    Demo { name: "ticks", keys: COUNT, run: ticks::ticks },
    Demo { name: "storm", keys: COUNT, run: storm::storm },
    Demo { name: "timers", keys: COUNT, run: timers::timers },
    Demo { name: "time", keys: SECONDS, run: time::time },
    Demo { name: "idle", keys: SECONDS, run: idle::idle },
    Demo {
        name: "registers",
        keys: &[
            Key { name: "seconds", values: Values::Number },
            Key { name: "save", values: Values::OneOf(registers::SAVES) },
        ],
        run: registers::registers,
    },
    Demo { name: "probe", keys: &[], run: probe::probe },
    Demo {
        name: "exception",
        keys: &[Key { name: "exception", values: Values::OneOf(exception::EXCEPTIONS) }],
        run: exception::exception,
    },
];

/// A number of the command line.
fn number(command_line: CommandLine<'_>, key: &str, default: u64) -> u64 {
    command_line.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
}
