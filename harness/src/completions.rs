//! `harness completions`: what a shell can know of the command line, from its own definition.

use crate::cli::{Cli, Completions};
use crate::error::{Context, Result};
use clap::CommandFactory;
use std::io::Write;

/// Prints the completions for a shell. They are for the program's own name, though people mostly type
/// `cargo harness`.
pub fn command(arguments: &Completions) -> Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command().bin_name("harness"), "harness", &mut text);
    std::io::stdout().write_all(&text).doing("write the completions")?;
    Ok(0)
}
