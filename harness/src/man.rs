//! `harness man`: the manual page, from the definition of the command line.

use crate::cli::{Cli, Man};
use crate::error::{Context, Result};
use crate::ui::say;
use clap::CommandFactory;

/// Prints the manual page, or writes one a command to a folder.
pub fn command(arguments: &Man) -> Result<u8> {
    let command = Cli::command().bin_name("harness");
    match &arguments.out {
        Some(folder) => {
            std::fs::create_dir_all(folder).on("make", folder)?;
            clap_mangen::generate_to(command, folder).on("write the pages to", folder)?;
            say(format_args!("next: man -l {}\n", folder.join("harness.1").display()))?;
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(command).render(&mut text).doing("write the page")?;
            say(String::from_utf8_lossy(&text))?;
        }
    }
    Ok(0)
}
