//! What the commands that measure and wear out take.

use crate::machine::LARGE_HOST_MIB;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `harness bench`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness bench                        times of the last stage\n  \
    cargo harness bench stage1 --counted       instructions instead, which repeat on any machine\n  \
    cargo harness bench --counted --format json --out bench.json --plot bench.svg\n\n\
    The figure to quote is the least. `How to read the figures` in the book says why.")]
pub struct Bench {
    /// A stage: stage1, 1, console. The last one, if none is given.
    pub stage: Option<String>,
    /// Count instructions instead of taking time: slower, and the same on every machine.
    #[arg(long)]
    pub counted: bool,
    /// Measure your own work on the exercises instead of the references.
    #[arg(long)]
    pub mine: bool,
    /// Leave out the Linux guest, which takes longest.
    #[arg(long)]
    pub alone: bool,
    /// The guest's memory, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 32,
          value_parser = clap::value_parser!(u64).range(4..=LARGE_HOST_MIB))]
    pub memory: u64,
    /// How often to boot.
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// How to report.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: BenchFormat,
    /// Write the report to a file; the table is on the screen then.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Draw the figures into a file, as SVG.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// `harness soak`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness soak                 all of them, in full: half an hour or so\n  \
    cargo harness soak console         one of them\n  \
    cargo harness soak --scale 1       a hundredth of everything: what CI does\n\n\
    Exit status: 0 when all held, 1 when one did not.")]
pub struct Soak {
    /// Which ones: console, create, reboot, events, threads, clock, heap, pings, crash. All of them, if none is named.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Do so much of each, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 100.0, value_parser = percent)]
    pub scale: f64,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=10_000.0).contains(&number) { Ok(number) } else { Err("write a percentage from 0.001 to 10000".into()) }
}

/// How the figures of a bench are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "told in the help of `--format`")]
pub enum BenchFormat {
    #[default]
    Human,
    Json,
}
