//! What the commands for working on a lab take.

use clap::Args;
use std::path::PathBuf;

/// `harness hint`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness hint 1b          the hints so far, at least the first\n  \
    cargo harness hint 1b --more   one further")]
pub struct Hint {
    /// An exercise: 1b.
    pub exercise: String,
    /// Go one layer further.
    #[arg(long)]
    pub more: bool,
}

/// `harness explain`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness explain 1b       what the checks of exercise 1b do\n  \
    cargo harness explain stage1   and those of the whole stage")]
pub struct Explain {
    /// An exercise (1b) or a stage (stage1).
    pub selector: String,
}

/// `harness solution`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness solution 1b             once 1b has passed\n  \
    cargo harness solution 1b --diff      next to yours\n  \
    cargo harness solution 1b --give-up   before it has; that is remembered")]
pub struct Solution {
    /// An exercise: 1b.
    pub exercise: String,
    /// Show it although the exercise has not passed yet. This is remembered.
    #[arg(long)]
    pub give_up: bool,
    /// Show only where it differs from your work.
    #[arg(long)]
    pub diff: bool,
}

/// `harness reset`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo harness reset 1b         your file goes to .harness/backup first")]
pub struct Reset {
    /// An exercise: 1b.
    pub exercise: String,
}

/// `harness diff`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo harness diff 0 1         what stage 1 adds to nothing")]
pub struct Diff {
    /// The stage to start from, by its number; 0 is nothing at all.
    #[arg(value_name = "FROM")]
    pub from: u32,
    /// The stage to end at.
    #[arg(value_name = "TO")]
    pub to: u32,
}

/// `harness submit`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness submit stage1\n  \
    cargo harness submit stage1 --out /tmp/me.zip\n\n\
    The zip holds the exercise files of the stage and submission.toml, and nothing else. The same files give the\n\
    same bytes.")]
pub struct Submit {
    /// A stage: stage1, 1, console.
    pub selector: String,
    /// Where to write it, instead of .harness/stage1-console.zip.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
