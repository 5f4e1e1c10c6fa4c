//! The log: messages with a level, on the console.
//!
//! The kernel's crates use the `log` crate's macros (`log::debug!` and so on), so that libraries which do so
//! too are heard. `log=` on the command line sets the most detailed level that is shown; `info` is the default.
//! Invariant: a message is one line, `level: text`.

use log::{LevelFilter, Log, Metadata, Record};

use crate::boot_info::CommandLine;
use crate::println;

/// The values of `log=`.
pub const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging, at the level that the command line asks for.
pub fn start(command_line: CommandLine<'_>) {
    let level = command_line.get("log").and_then(level).unwrap_or(LevelFilter::Info);
    if log::set_logger(&ConsoleLog).is_ok() {
        log::set_max_level(level);
    }
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
        let level = match record.level() {
            log::Level::Error => "error",
            log::Level::Warn => "warning",
            log::Level::Info => "info",
            log::Level::Debug => "debug",
            log::Level::Trace => "trace",
        };
        println!("{level}: {}", record.args());
    }

    fn flush(&self) {}
}
