//! `harness build`: a stage's image, verified, and how large it is.

use crate::app::App;
use crate::cli;
use crate::error::{Context, Result};
use crate::ui::say;
use crate::work::Work;

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Build) -> Result<u8> {
    let stage = app.course.select(&arguments.selector)?.stage;
    let guest = app.guest(stage, Work::chosen(app, stage, &arguments.whose)?.features(stage))?;
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
