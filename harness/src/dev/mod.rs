//! `harness dev`: for whoever writes the course, not for whoever takes it.

pub mod mutants;
mod scaffold;
mod verdicts;
pub mod verify;
pub mod view;

use crate::app::App;
use crate::book::Finding;
use crate::cli;
use crate::error::Result;
use crate::lint;
use crate::ui::say;
use verify::Verified;

/// Runs the command and returns the exit status.
pub fn command(app: &App, command: &cli::Dev) -> Result<u8> {
    match command {
        cli::Dev::Verify(arguments) => verify_command(app, arguments),
        cli::Dev::NewExercise(arguments) => scaffold::command(app, arguments),
    }
}

fn verify_command(app: &App, arguments: &cli::Verify) -> Result<u8> {
    let mut sound = true;
    for stage in app.course.chosen(arguments.stage.as_deref())? {
        let findings = lint::of_stage(&app.course, stage)?;
        if !findings.is_empty() {
            // What is booted would say the same in other words.
            findings.iter().try_for_each(|Finding { place, what }| say(format_args!("{place}: {what}\n")))?;
            say(format_args!("next: mend that, then `cargo harness dev verify stage{}`\n", stage.number))?;
            return Ok(1);
        }
        let how = verify::How { all: arguments.all || arguments.repeat > 1, repeat: arguments.repeat };
        let verified = verify::verify(app, stage, how)?;
        say(table(&verified, app))?;
        sound &= verified.iter().all(|one| one.problems.is_empty());
    }
    say(if sound { "the checks tell right from wrong\n" } else { "next: mend the checks, or what they check\n" })?;
    Ok(u8::from(!sound))
}

fn table(verified: &[Verified], app: &App) -> String {
    let width = verified.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Verified { name, problems, outcome, .. } in verified {
        let word = if problems.is_empty() { "ok  " } else { "FAIL" };
        let padding = " ".repeat(width - name.chars().count());
        text += &format!("{word} {name}{padding}  {}\n", app.style.faint(outcome));
        problems.iter().for_each(|problem| text += &format!("     {problem}\n"));
    }
    text
}
