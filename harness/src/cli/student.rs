//! What the commands for working on a lab take.

use clap::Args;
use std::path::PathBuf;

/// `harness watch`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness watch            whatever comes next\n  \
    cargo harness watch stage1     all of stage 1\n\n\
    A save is compiled and host-tested at once, then booted under Xen if the image is another one.\n\
    Keys: n next, h hint (again: a plainer one), e explain, l list, d diff to the starter, r run again,\n\
    x reset to the starter, q quit. Without a terminal, type the letter and Enter.")]
pub struct Watch {
    /// A stage (stage1) or an exercise (1a); what comes next, if none is given.
    pub selector: Option<String>,
}

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
#[command(after_help = "Examples:\n  cargo harness reset 1b         the starter of 1b\n  \
    cargo harness reset --given    the files that a class is given, where they were edited\n\n\
    What is replaced goes to .harness/backup first.")]
pub struct Reset {
    /// An exercise: 1b.
    #[arg(required_unless_present = "given")]
    pub exercise: Option<String>,
    /// Put the given files back instead.
    #[arg(long, conflicts_with = "exercise")]
    pub given: bool,
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
    /// Where to write it, instead of stage1-console.zip in this folder.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `harness completions`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example, for bash:\n  cargo harness completions bash > ~/.local/share/bash-completion/completions/harness\n\n\
    They are for the program `harness` itself (target/debug/harness); no shell looks behind `cargo`."
)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `harness man`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cargo harness man | man -l -\n  cargo harness man --out man    one page a command"
)]
pub struct Man {
    /// Write a page for each command to this folder.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}
