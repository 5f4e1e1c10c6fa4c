//! The log: messages with a level, on the console.
//!
//! The kernel's crates use the `log` crate's macros (`log::debug!` and so on), so that libraries which do so
//! too are heard. `log=` on the command line sets the most detailed level that is shown; `info` is the default.
//! `color=on` has levels shown in colours, for a terminal.
//! Invariant: a message is one line, `level: text`, behind what a later stage stamps it with.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::boot_info::CommandLine;
use crate::lock::Lock;
use crate::println;

/// The values of `log=`.
pub const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
/// The values of `color=`.
pub const COLORS: &[&str] = &["off", "on"];

/// Writes what stands before a message: when it was said, and where. It must be quick, and can't log anything itself.
pub type Stamp = fn(&mut fmt::Formatter<'_>) -> fmt::Result;

static STAMP: Lock<Stamp> = Lock::new(|_| Ok(()));
static COLORED: AtomicBool = AtomicBool::new(false);

/// Starts logging, at the level that the command line asks for.
pub fn start(command_line: CommandLine<'_>) {
    let level = command_line.get("log").and_then(level).unwrap_or(LevelFilter::Info);
    COLORED.store(command_line.get("color") == Some("on"), Ordering::Relaxed);
    if log::set_logger(&ConsoleLog).is_ok() {
        log::set_max_level(level);
    }
}

/// Has every message begin with this.
pub fn set_stamp(stamp: Stamp) {
    *STAMP.lock() = stamp;
}

fn level(name: &str) -> Option<LevelFilter> {
    let levels = [
        LevelFilter::Off,
        LevelFilter::Error,
        LevelFilter::Warn,
        LevelFilter::Info,
        LevelFilter::Debug,
        LevelFilter::Trace,
    ];
    LEVELS.iter().position(|level| *level == name).map(|index| levels[index])
}

struct ConsoleLog;

impl Log for ConsoleLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        let stamp = *STAMP.lock();
        println!("{}{}: {}", Stamped(stamp), Name(record.level()), record.args());
    }

    fn flush(&self) {}
}

struct Stamped(Stamp);

impl fmt::Display for Stamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// A level's name, in its colour if there are any.
struct Name(Level);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, color) = match self.0 {
            Level::Error => ("error", 31),
            Level::Warn => ("warning", 33),
            Level::Info => ("info", 32),
            Level::Debug => ("debug", 36),
            Level::Trace => ("trace", 90),
        };
        if COLORED.load(Ordering::Relaxed) { write!(f, "\x1b[{color}m{name}\x1b[0m") } else { f.write_str(name) }
    }
}
