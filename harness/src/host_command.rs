//! `harness host`: the test host as a thing to build, carry and remove.

use crate::app::App;
use crate::cli::Host;
use crate::error::Result;
use crate::host;

/// Runs the command and returns the exit status.
pub fn command(app: &App, command: &Host) -> Result<u8> {
    let options = app.host_options();
    match command {
        Host::Build => {
            let image = host::ensure(&app.cache, &options, &app.ui)?;
            println!("{}: Xen {} from Debian {}", image.dir.display(), image.xen_version, image.release);
            for replaced in &image.replaced {
                println!("not as locked: {replaced}");
            }
        }
        Host::Export { file } => {
            host::export(&app.cache, &options, file, &app.ui)?;
            println!("{}: there, `cargo harness host import {}` takes it in", file.display(), file.display());
        }
        Host::Import { file } => {
            let image = host::import(&app.cache, &options, file, &app.ui)?;
            println!("{}: Xen {} from Debian {}", image.dir.display(), image.xen_version, image.release);
        }
        Host::Lock => {
            let (file, changes) = host::refresh_lock(&app.cache, &options, &app.ui)?;
            changes.iter().for_each(|change| println!("{change}"));
            println!("{}: {} changes", file.display(), changes.len());
        }
        Host::Clean => {
            let freed = host::clean(&app.cache, &app.ui)?;
            println!("{} MiB freed", freed >> 20);
        }
    }
    Ok(0)
}
