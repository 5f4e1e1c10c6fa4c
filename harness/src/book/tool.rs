//! mdBook itself: one exact version, because pages, log and options differ from one to the next.

use crate::cache;
use crate::error::{Error, Result};
use crate::prerequisites;
use crate::process;
use crate::toolchain;
use crate::ui::Ui;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version that the book is made with.
const VERSION: &str = "0.5.4";
/// Compiling it takes a minute on two cores; this is for ones that are slow or busy.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The program: the one on the path if it has the right version, or the cache's, compiled first if it isn't there.
pub fn ensure(cache: &Path, root: &Path, ui: &Ui) -> Result<PathBuf> {
    if let Some(found) = prerequisites::find("mdbook").filter(|program| is_right(program)) {
        return Ok(found);
    }
    let name = format!("mdbook-{VERSION}");
    let program = |folder: &Path| folder.join("bin/mdbook");
    let waiting = |who: &str| ui.note(&format!("Waiting for {who}, which compiles mdBook {VERSION}"));
    let install = |folder: &Path| install(folder, root, ui);
    cache::entry(&cache.join("tools"), &name, |folder| is_right(&program(folder)), waiting, install)
        .map(|folder| program(&folder))
}

fn is_right(program: &Path) -> bool {
    process::version(program).is_some_and(|line| line == format!("mdbook v{VERSION}"))
}

fn install(folder: &Path, root: &Path, ui: &Ui) -> Result<()> {
    let what = format!("Compiling mdBook {VERSION}, which makes the book: a minute, once");
    let _step = ui.step(&what);
    let mut cargo = toolchain::cargo(root);
    cargo.args(["install", "mdbook", "--locked", "--version", &format!("={VERSION}"), "--root"]).arg(folder);
    // Optimised it would take three times as long to compile, and make the book in a quarter of a second instead of one.
    cargo.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "false");
    let finished = process::run(cargo, PATIENCE)?;
    if finished.success() {
        return Ok(());
    }
    let said = crate::tail(&finished.stderr, 15);
    let next = format!("put mdBook {VERSION} on the path, for example from its releases on GitHub");
    Err(Error::missing(format!("mdBook {VERSION} can't be installed:\n{said}")).next(next))
}
