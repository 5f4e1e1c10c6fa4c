//! What `harness grade` takes.

use clap::Args;
use std::path::PathBuf;

/// `harness grade`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness grade submissions/ --stage stage1 --out grades\n  \
    cargo harness grade roster.csv --out grades --jobs 4\n  \
    cargo harness grade submissions/ --out grades --hidden ~/hidden\n\n\
    A folder holds an entry a student, a zip of `harness submit` or a folder, called as the student. A roster is CSV\n\
    with a heading and the columns `student` and `submission`. Only exercise files are taken.\n\
    The same command again, also after Ctrl-C, marks only what is not marked yet or has changed;\n\
    with a larger --timeout-scale also what ran out of time.\n\
    Exit status: 0 all are graded, whatever their points; 1 some were refused; 70 the machine failed for some.")]
pub struct Grade {
    /// The class: a folder of submissions, or a roster.
    #[arg(value_name = "DIR|ROSTER.CSV")]
    pub from: PathBuf,
    /// The stage (stage1, 1, console); that of the first submission, if none is given.
    #[arg(long)]
    pub stage: Option<String>,
    /// Where the grades go.
    #[arg(long, value_name = "DIR", default_value = "grades")]
    pub out: PathBuf,
    /// How many to mark at once; half the processors, if not given.
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Add the checks in this folder, which students are not shown.
    #[arg(long, value_name = "DIR")]
    pub hidden: Option<PathBuf>,
    /// Show students those checks whose visibility is `after_due`.
    #[arg(long)]
    pub after_due: bool,
    /// Mark only this student.
    #[arg(long, value_name = "STUDENT")]
    pub only: Option<String>,
    /// Draw all seeds from this number; new for a new class, if not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Multiply every deadline by this.
    #[arg(long, value_name = "FACTOR", value_parser = super::factor)]
    pub timeout_scale: Option<f64>,
}

fn jobs(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|jobs| (1..=64).contains(jobs)).ok_or_else(|| "a number from 1 to 64".to_owned())
}
