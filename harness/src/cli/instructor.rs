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
