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
    /// A stage: stage1, 1, console. All of them but drafts without one.
    pub stage: Option<String>,
    /// Leave out the mutants, whose boots take minutes.
    #[arg(long)]
    pub console: bool,
}

/// `harness dev new-exercise`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  cargo harness dev new-exercise 1d --file free_list.rs --title 'Keep a list of free frames'\n\n\
    Everything compiles at once. What is still to be written is marked TODO(1d), and `dev verify` names each place."
)]
pub struct NewExercise {
    /// The next exercise of a stage: 1d.
    pub id: String,
    /// Its file, in the stage's src folder.
    #[arg(long, value_name = "NAME.rs")]
    pub file: String,
    /// Its heading.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub title: String,
}

/// `harness export`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo harness export stage1 submissions --similarity compare\n\n\
    Comments and spacing are gone from the files. The starters, which all have in common, are in compare/_starter.")]
pub struct Export {
    /// A stage: stage1, 1, console.
    pub selector: String,
    /// The folder with the class's submissions: a zip or a folder each.
    #[arg(value_name = "SUBMISSIONS")]
    pub submissions: PathBuf,
    /// Where to write the files: a folder that is empty or not there yet.
    #[arg(long, value_name = "DIR")]
    pub similarity: PathBuf,
}
