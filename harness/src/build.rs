//! `harness build`: the image of a stage or an application, verified, and how large it is.

use crate::app::App;
use crate::cli;
use crate::error::{Context, Result};
use crate::program::Program;
use crate::ui::say;

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Build) -> Result<u8> {
    let guest = Program::chosen(app, &arguments.program)?.guest(app, &arguments.whose)?;
    let place = match &arguments.out {
        Some(file) => {
            std::fs::copy(&guest.image, file).on("write", file)?;
            file.clone()
        }
        None => guest.image,
    };
    say(format_args!("{}: {}\n", place.display(), guest.sizes))?;
    say(format_args!("with debug information: {}\n", guest.elf.display()))?;
    Ok(0)
}
