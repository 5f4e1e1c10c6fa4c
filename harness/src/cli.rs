//! The command line: what each command takes and how it is explained.

mod grade;
mod instructor;
mod measure;
mod outputs;
mod programs;
mod student;

pub use grade::Grade;
pub use instructor::{Bless, Export, Handout, NewExercise};
pub use measure::{Bench, BenchFormat, Soak};
pub use outputs::{Format, Outputs};
pub use programs::{Build, Image, Program, Run};
pub use student::{Completions, Diff, Explain, Hint, Man, Reset, Solution, Submit, Watch};

use crate::work::Base;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Builds, boots and checks the stages of Stardust under the real Xen.
#[derive(Debug, Parser)]
#[command(name = "harness", bin_name = "cargo harness", version, max_term_width = 100)]
#[command(after_help = "Without a command: where you stand, and what to type next.\n\n\
    Exit status: 0 all is well; 1 checks failed; 2 does not compile; 3 the guest crashed, hung or ran out\
    \x20of time; 4 a rule is broken; 64 wrong usage; 69 the machine lacks something; 70 the harness failed.")]
pub struct Cli {
    /// No colour, also on a terminal (NO_COLOR does the same).
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Refuse a test host whose packages are not exactly those of the lock file.
    #[arg(long, global = true)]
    pub locked: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks your work on a stage: compiles it, runs its host tests, boots it under Xen.
    Check(Check),
    /// Checks an exercise whenever you save it.
    Watch(Watch),
    /// Lists the stages and exercises: points, minutes, difficulty, and how far you are.
    #[command(after_help = "Example:\n  cargo harness list")]
    List,
    /// Says the one next thing to do.
    #[command(after_help = "Example:\n  cargo harness next")]
    Next,
    /// Gives a hint; `--more` gives a plainer one.
    Hint(Hint),
    /// Says in words what the checks of an exercise do.
    Explain(Explain),
    /// Shows the solution of an exercise that has passed, or with `--give-up`.
    Solution(Solution),
    /// Puts the starter of an exercise back, or the given files; yours are kept.
    Reset(Reset),
    /// Shows what a stage adds to the one before it.
    Diff(Diff),
    /// Writes the zip to hand in.
    Submit(Submit),
    /// Marks what a class has handed in.
    Grade(Grade),
    /// Boots a stage or an application and connects you to its console.
    Run(Run),
    /// Builds the image of a stage or an application, verifies it, and says how large it is.
    Build(Build),
    /// Writes what a Xen host needs to run an application: its image, and a configuration for xl.
    Image(Image),
    /// Measures a stage: instructions or time, beside a Linux guest.
    Bench(Bench),
    /// Does the same very often, to find what goes wrong rarely.
    Soak(Soak),
    /// Builds the book and serves it to your browser.
    Book(Book),
    /// Looks at the machine: what is there, what is missing, how fast it is.
    Doctor(Doctor),
    /// Makes what a class gets when a stage opens.
    Handout(Handout),
    /// Writes the exercises of a class for a program that looks for copies.
    Export(Export),
    /// Takes what the reference does now as what it has to do, and shows what changed.
    Bless(Bless),
    /// For whoever writes the course.
    #[command(after_help = "Examples:\n  cargo harness dev verify stage1\n  \
        cargo harness dev new-exercise 1d --file free_list.rs --title 'Keep a list of free frames'")]
    Dev {
        /// What to do.
        #[command(subcommand)]
        command: Dev,
    },
    /// The Xen test host: build it, or carry it to a room without a network.
    #[command(after_help = "Examples:\n  cargo harness host export test-host      where there is a network\n  \
        cargo harness host import test-host      where there is none")]
    Host {
        /// What to do with it.
        #[command(subcommand)]
        command: Host,
    },
    /// Prints completions for a shell.
    Completions(Completions),
    /// Prints the manual page.
    Man(Man),
}

/// Whose work is taken.
#[derive(Args, Clone, Debug, Default)]
pub struct Whose {
    /// Take the reference for every exercise, or for those named: --solution=1a,1c.
    #[arg(long, value_name = "EXERCISES", num_args = 0..=1, require_equals = true, value_delimiter = ',',
          default_missing_value = "all")]
    pub solution: Option<Vec<String>>,
    /// The stages below: your work (mine), the reference, or your work once it has passed (auto).
    #[arg(long, value_name = "WHOSE", default_value = "auto")]
    pub base: Base,
}

/// `harness check`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness check stage1              your work on stage 1\n  \
    cargo harness check 1b                  only exercise 1b\n  \
    cargo harness check stage1 --solution   the reference: shows that the set-up works\n  \
    cargo harness check stage1 --solution=1a  your work, with the reference for 1a\n  \
    cargo harness check stage1 --from anna.zip  what somebody handed in\n  \
    cargo harness check stage1 --format json --out results.json\n  \
    cargo harness check stage1 --format github --format junit --out junit.xml\n\n\
    An --out belongs to the --format before it; a format without one goes to the screen.")]
pub struct Check {
    /// A stage (stage1, 1, console) or an exercise (1a).
    pub selector: String,
    /// Whose work.
    #[command(flatten)]
    pub whose: Whose,
    /// Check only this exercise.
    #[arg(long, value_name = "EXERCISE")]
    pub only: Option<String>,
    /// Boot under Xen even when a host test failed.
    #[arg(long)]
    pub keep_going: bool,
    /// Multiply every deadline by this.
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub timeout_scale: Option<f64>,
    /// Check what somebody handed in: a zip of `harness submit`, or a folder. Only its exercise files are taken.
    #[arg(long, value_name = "DIR|ZIP", conflicts_with = "solution")]
    pub from: Option<PathBuf>,
    /// Draw the inputs from this number instead of a new one.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How to report, and where.
    #[command(flatten)]
    pub outputs: Outputs,
}

/// `harness book`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness book                 then open the address that it prints\n  \
    cargo harness book --out ~/book    only build it\n  \
    cargo harness book --check         for those who change it")]
pub struct Book {
    /// Serve it on this port of this machine, and nowhere else.
    #[arg(long, value_name = "PORT", default_value_t = 3000, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Build it into this folder, and serve nothing.
    #[arg(long, value_name = "DIR", conflicts_with = "port")]
    pub out: Option<PathBuf>,
    /// Check that all it refers to is there; status 1 if not. Serve nothing.
    #[arg(long, conflicts_with_all = ["port", "out"])]
    pub check: bool,
}

/// `harness doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo harness doctor")]
pub struct Doctor {
    /// Look only; boot nothing.
    #[arg(long)]
    pub quick: bool,
}

/// `harness dev`.
#[derive(Debug, Subcommand)]
pub enum Dev {
    /// Proves that the checks tell right from wrong: starters, references, each left out, and mutants.
    Verify(Verify),
    /// Lays out an exercise: starter, reference, wrapper, checks on both sides, entry in the manifest.
    NewExercise(NewExercise),
}

/// `harness dev verify`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo harness dev verify                     all stages but drafts\n  \
    cargo harness dev verify stage4 --repeat 10  whether its checks always say the same\n\n\
    Only what has changed since is booted: a guest, what checks it, or the test host.\n\
    Exit status: 0 when all is as it should be, 1 when something is not.")]
pub struct Verify {
    /// A stage: stage1, 1, console. All of them but drafts without one.
    pub stage: Option<String>,
    /// Look also at what was looked at before and has not changed.
    #[arg(long)]
    pub all: bool,
    /// Boot each guest so often, and want the same each time. It looks at all of them.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,
}

/// `harness host`.
#[derive(Debug, Subcommand)]
pub enum Host {
    /// Builds the test host, if it is not there yet.
    #[command(after_help = "Example:\n  cargo harness host build")]
    Build,
    /// Writes the test host to a file, for machines without a network.
    #[command(after_help = "Example:\n  cargo harness host export /media/stick/test-host")]
    Export {
        /// The file to write.
        file: PathBuf,
    },
    /// Takes a test host from such a file.
    #[command(after_help = "Example:\n  cargo harness host import /media/stick/test-host")]
    Import {
        /// The file to read.
        file: PathBuf,
    },
    /// Renews the lock file from the archive's packages as they are now.
    #[command(after_help = "Example:\n  cargo harness host lock")]
    Lock,
    /// Removes the test host, its saved states, and the copies in which submissions were compiled.
    #[command(after_help = "Example:\n  cargo harness host clean")]
    Clean,
}

fn factor(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=1000.0).contains(&number) { Ok(number) } else { Err("a factor lies between 0.1 and 1000".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn solution_is_a_switch_or_a_list() {
        let whose = |words: &[&str]| match Cli::try_parse_from(words).unwrap().command {
            Some(Command::Check(check)) => check.whose.solution,
            other => panic!("{other:?}"),
        };
        assert_eq!(whose(&["harness", "check", "stage1"]), None);
        assert_eq!(whose(&["harness", "check", "--solution", "stage1"]), Some(vec!["all".into()]));
        assert_eq!(whose(&["harness", "check", "stage1", "--solution=1a,1c"]), Some(vec!["1a".into(), "1c".into()]));
    }

    #[test]
    fn factors_are_checked() {
        assert!(factor("2").is_ok() && factor("0").is_err() && factor("NaN").is_err());
    }

    #[test]
    fn every_command_has_examples() {
        fn without(command: &clap::Command) -> Vec<String> {
            let own = command.get_after_help().is_none_or(|help| !help.to_string().contains("cargo harness "));
            let inner = command.get_subcommands().flat_map(without);
            inner.chain(own.then(|| command.get_name().to_owned())).collect()
        }
        // The first help lists the commands themselves.
        assert_eq!(without(&Cli::command()), ["harness"]);
    }

    #[test]
    fn help_reads_well() {
        for words in [
            &["--help"][..],
            &["check", "--help"],
            &["run", "--help"],
            &["build", "--help"],
            &["image", "--help"],
            &["bench", "--help"],
            &["soak", "--help"],
            &["host", "--help"],
            &["grade", "--help"],
        ] {
            let said = Cli::try_parse_from(["harness"].iter().chain(words)).unwrap_err().to_string();
            assert_text!(format!("help-{}", words[0].trim_start_matches('-')), said);
        }
    }
}
