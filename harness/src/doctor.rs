//! `harness doctor`: what the machine has, what it lacks, and how fast it is.
//!
//! Its measurement, the time that the stage 1 reference needs from its creation to its end, becomes the factor by
//! which every deadline is multiplied on this machine.

use crate::app::{App, write_factor};
use crate::check;
use crate::cli;
use crate::error::Result;
use crate::given::Lock;
use crate::process::version;
use crate::ui::say;
use crate::work::{Work, has_references};
use crate::{host, prerequisites};
use std::fmt::Display;
use std::time::Duration;

/// Seconds that the check of stage 1's reference takes under Xen on the reference machine (2 cores, TCG).
const REFERENCE_SECONDS: f64 = 2.5;

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Doctor) -> Result<u8> {
    let lines = [
        ("compiler", Some(app.toolchain()).filter(|version| !version.is_empty()), "install Rust: https://rustup.rs"),
        ("C linker", version("cc"), "sudo apt-get install -y --no-install-recommends gcc libc6-dev"),
        ("QEMU", version("qemu-system-x86_64"), "sudo apt-get install -y --no-install-recommends qemu-system-x86"),
        ("packages", prerequisites::find("apt-get").map(|_| "apt".to_owned()), "cargo harness host import FILE"),
    ];
    let mut missing = false;
    for (what, found, advice) in lines {
        line(what, found.clone().unwrap_or_else(|| format!("missing; {advice}")))?;
        missing |= found.is_none() && what != "packages";
    }
    line("cache", app.cache.display())?;
    line("free disk", free_space(app))?;
    let ready = host::is_built(&app.cache, &app.host_options());
    line("test host", if ready { "built" } else { "not built yet" })?;
    let as_given = given_files(app)?;
    if missing {
        say("next: install what is missing\n")?;
        return Ok(69);
    }
    if !as_given {
        say("next: `cargo harness reset --given` puts back what was given, and keeps yours\n")?;
        return Ok(4);
    }
    if arguments.quick {
        return Ok(0);
    }
    measure(app)
}

fn line(what: &str, found: impl Display) -> Result<()> {
    say(format_args!("{what:<11} {found}\n"))
}

/// Whether the given files are as they were handed out, which only a handout can tell.
fn given_files(app: &App) -> Result<bool> {
    let Some(lock) = Lock::read(&app.course.root)? else {
        line("given files", "not watched: this checkout is no handout")?;
        return Ok(true);
    };
    let changes = lock.changes(&app.course.root);
    if changes.is_empty() {
        line("given files", format_args!("as handed out, for stage {}", lock.release))?;
    }
    for change in &changes {
        line("given files", change)?;
    }
    Ok(changes.is_empty())
}

/// Boots the stage 1 reference and keeps how fast that went.
fn measure(app: &App) -> Result<u8> {
    let stage = app.course.select("1")?.stage;
    if !has_references(&app.course, stage) {
        line("speed", "not measured: that takes the reference of stage 1, which isn't in this checkout")?;
        say(format_args!("next: `cargo harness check stage{}`\n", stage.number))?;
        return Ok(0);
    }
    let request = check::Request {
        seed: 1,
        // Generous, since it is not known yet how slow this machine is.
        scale: Some(10.0),
        keep_going: true,
        ..check::Request::new(stage, Work::reference(&app.course, stage))
    };
    let results = check::check(app, &request)?;
    let seconds = Duration::from_millis(results.guest_ms).as_secs_f64();
    let factor = (seconds / REFERENCE_SECONDS).max(1.0);
    line("Xen runs on", &results.host.accelerator)?;
    let speed = format!("{seconds:.1} s for stage 1 under Xen, so deadlines are multiplied by {factor:.1}");
    line("speed", speed)?;
    if results.exit() == 0 {
        write_factor(&app.cache, factor)?;
        say("next: `cargo harness check stage1`\n")?;
    } else {
        say("stage 1's reference does not pass here: `cargo harness check stage1 --solution` says why\n")?;
    }
    Ok(results.exit())
}

fn free_space(app: &App) -> String {
    // The cache may not be there yet; whatever is above it is on the same disk as it will be.
    let there = app.cache.ancestors().find(|folder| folder.exists());
    match there.and_then(|folder| rustix::fs::statvfs(folder).ok()) {
        Some(disk) => format!("{:.1} GB (a test host takes 0.4)", (disk.f_bavail * disk.f_frsize) as f64 / 1e9),
        None => "unknown".to_owned(),
    }
}
