//! What the commands for teaching a class take.

use clap::Args;
use std::path::PathBuf;

/// `harness handout`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo harness handout --release 2 --out ../handout\n\n\
    Left out are the solutions of that stage and of later ones, mutants, notes, tests and the book's part for\n\
    instructors. The handout is proved before it gets its name: it builds, and its stage earns 0 points.")]
pub struct Handout {
    /// The stage that opens: 2, stage2, memory.
    #[arg(long, value_name = "STAGE")]
    pub release: String,
    /// Where to put it: a folder that is empty or not there yet.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `harness bless`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cargo harness bless stage1             its console, and what students read of mutants\n  \
    cargo harness bless stage1 --console   only its console, which takes seconds\n\n\
    The snapshots are in harness/snapshots. Nothing is written unless the reference passes."
)]
pub struct Bless {
    /// A stage: stage1, 1, console. All of them without one.
    pub stage: Option<String>,
    /// Leave out the mutants, whose boots take minutes.
    #[arg(long)]
    pub console: bool,
}
