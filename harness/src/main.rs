//! The `harness` command: reads the command line, does it, and ends with the exit status that its help promises.

use clap::Parser;
use clap::error::ErrorKind;
use harness::app::App;
use harness::cli::{Cli, Command};
use harness::error::{Error, Kind};
use harness::{build, check, dev, doctor, explain, hint, host_command, interrupt, list, next, run, status};
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
    match perform(&cli) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.kind as u8)
        }
    }
}

fn perform(cli: &Cli) -> Result<u8, Error> {
    let app = App::new(cli)?;
    match &cli.command {
        None => status::command(&app),
        Some(Command::Check(arguments)) => check::command(&app, arguments),
        Some(Command::List) => list::command(&app),
        Some(Command::Next) => next::command(&app),
        Some(Command::Hint(arguments)) => hint::command(&app, arguments),
        Some(Command::Explain(arguments)) => explain::command(&app, arguments),
        Some(Command::Run(arguments)) => run::command(&app, arguments),
        Some(Command::Build(arguments)) => build::command(&app, arguments),
        Some(Command::Doctor(arguments)) => doctor::command(&app, arguments),
        Some(Command::Dev { command }) => dev::command(&app, command),
        Some(Command::Host { command }) => host_command::command(&app, command),
    }
}
