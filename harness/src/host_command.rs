//! `harness host`: the test host as a thing to build, carry and remove.

use crate::app::App;
use crate::cli::Host;
use crate::error::Result;
use crate::host::{self, HostImage};
use crate::ui::say;

/// Runs the command and returns the exit status.
pub fn command(app: &App, command: &Host) -> Result<u8> {
    let options = app.host_options();
    match command {
        Host::Build => {
            let image = host::ensure(&app.cache, &options, &app.ui)?;
            describe(&image)?;
            for replaced in &image.replaced {
                say(format_args!("not as locked: {replaced}\n"))?;
            }
        }
        Host::Export { file } => {
            host::export(&app.cache, &options, file, &app.ui)?;
            let name = file.display();
            say(format_args!("{name}: there, `cargo harness host import {name}` takes it in\n"))?;
        }
        Host::Import { file } => {
            let image = host::import(&app.cache, &options, file, &app.ui)?;
            describe(&image)?;
        }
        Host::Lock => {
            let (file, changes) = host::refresh_lock(&app.cache, &options, &app.ui)?;
            changes.iter().try_for_each(|change| say(format_args!("{change}\n")))?;
            say(format_args!("{}: {} changes\n", file.display(), changes.len()))?;
        }
        Host::Clean => {
            let removed = host::clean(&app.cache, &app.ui)?;
            for item in &removed {
                say(format_args!("{:>5} MiB  {}\n", item.bytes >> 20, item.what))?;
            }
            let freed: u64 = removed.iter().map(|item| item.bytes).sum();
            say(format_args!("{:>5} MiB freed\n", freed >> 20))?;
        }
    }
    Ok(0)
}

fn describe(image: &HostImage) -> Result<()> {
    say(format_args!("{}: Xen {} from Debian {}\n", image.dir.display(), image.xen_version, image.release))
}
