//! The `harness` command: reads the command line, does it, and ends with the exit status that its help promises.

use clap::Parser;
use clap::error::ErrorKind;
use harness::app::App;
use harness::cli::{Cli, Command};
use harness::error::{Error, Kind};
use harness::{
    bench, bless, book, build, check, completions, dev, diff, doctor, explain, grade, handout, hint, host_command,
    image, interrupt, list, man, next, reset, run,
};
use harness::{similarity, soak, solution, status, submit, watch};
use std::process::ExitCode;

fn main() -> ExitCode {
    interrupt::watch();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Whoever closed the stream does not want to read it.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(Kind::Usage as u8) };
        }
    };
    let performed = perform(&cli);
    interrupt::settle();
    match performed {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            harness::ui::tell(format_args!("error: {error}"));
            ExitCode::from(error.kind as u8)
        }
    }
}

fn perform(cli: &Cli) -> Result<u8, Error> {
    // These two are about the command line alone, and work outside a checkout too.
    match &cli.command {
        Some(Command::Completions(arguments)) => return completions::command(arguments),
        Some(Command::Man(arguments)) => return man::command(arguments),
        _ => {}
    }
    let app = App::new(cli)?;
    match &cli.command {
        None | Some(Command::Completions(_) | Command::Man(_)) => status::command(&app),
        Some(Command::Check(arguments)) => check::command(&app, arguments),
        Some(Command::Watch(arguments)) => watch::command(&app, arguments),
        Some(Command::List) => list::command(&app),
        Some(Command::Next) => next::command(&app),
        Some(Command::Hint(arguments)) => hint::command(&app, arguments),
        Some(Command::Explain(arguments)) => explain::command(&app, arguments),
        Some(Command::Solution(arguments)) => solution::command(&app, arguments),
        Some(Command::Reset(arguments)) => reset::command(&app, arguments),
        Some(Command::Diff(arguments)) => diff::command(&app, arguments),
        Some(Command::Submit(arguments)) => submit::command(&app, arguments),
        Some(Command::Grade(arguments)) => grade::command(&app, arguments),
        Some(Command::Run(arguments)) => run::command(&app, arguments),
        Some(Command::Build(arguments)) => build::command(&app, arguments),
        Some(Command::Image(arguments)) => image::command(&app, arguments),
        Some(Command::Bench(arguments)) => bench::command(&app, arguments),
        Some(Command::Soak(arguments)) => soak::command(&app, arguments),
        Some(Command::Book(arguments)) => book::command(&app, arguments),
        Some(Command::Doctor(arguments)) => doctor::command(&app, arguments),
        Some(Command::Handout(arguments)) => handout::command(&app, arguments),
        Some(Command::Export(arguments)) => similarity::command(&app, arguments),
        Some(Command::Bless(arguments)) => bless::command(&app, arguments),
        Some(Command::Dev { command }) => dev::command(&app, command),
        Some(Command::Host { command }) => host_command::command(&app, command),
    }
}
