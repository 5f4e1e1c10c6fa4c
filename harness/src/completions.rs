//! `harness completions`: what a shell can know of the command line, from its own definition.

use crate::cli::{Cli, Completions};
use crate::error::Result;
use crate::ui::say;
use clap::CommandFactory;

/// Prints the completions for a shell. They are for the program's own name, though people mostly type
/// `cargo harness`.
pub fn command(arguments: &Completions) -> Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command().bin_name("harness"), "harness", &mut text);
    say(String::from_utf8_lossy(&text))?;
    Ok(0)
}
