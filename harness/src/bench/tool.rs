//! `images/linux-bench`, the program that measures where Stardust doesn't: in the Linux guest, and in dom0.
//!
//! Invariant: it is linked statically, as neither has libraries to spare.

use crate::app::App;
use crate::error::{Context, Error, Kind, Result};
use crate::machine::{Machine, outcome};
use crate::{process, toolchain};
use std::time::Duration;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Its name.
pub const NAME: &str = "linux-bench";
/// Where it is in dom0.
pub const PLACE: &str = "/images/linux-bench";
/// Far more than a slow machine needs.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Puts it into dom0.
pub fn put(machine: &Machine, program: &[u8]) -> Result<()> {
    machine.agent().put(PLACE, program)?;
    run(machine, &format!("chmod 755 {PLACE}"))
}

/// Puts it into dom0, and has it be the other end of guests' connections.
pub fn start(machine: &Machine, program: &[u8]) -> Result<()> {
    put(machine, program)?;
    run(machine, &format!("setsid {PLACE} peer < /dev/null > /dev/null 2>&1 &"))
}

fn run(machine: &Machine, script: &str) -> Result<()> {
    let ended = outcome(&machine.agent().exec(&["sh", "-c", script], &[])?);
    ended.map(drop).map_err(|why| Error::fault(format!("{PLACE} does not start in dom0: {why}")))
}

/// Compiles it.
pub fn build(app: &App) -> Result<Vec<u8>> {
    let _step = app.ui.step("Compiling the program that measures beside the guest");
    let root = &app.course.root;
    let target_dir = root.join("target/linux-bench");
    let mut cargo = toolchain::cargo(root);
    cargo
        .args(["build", "--quiet", "--package", NAME, "--release", "--target", TARGET, "--target-dir"])
        .arg(&target_dir);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    let built = process::run(cargo, LIMIT)?;
    if !built.success() {
        let text = format!("images/{NAME} does not compile:\n{}", built.stderr.trim_end());
        return Err(Error::new(Kind::Build, text));
    }
    let path = target_dir.join(TARGET).join("release").join(NAME);
    std::fs::read(&path).on("read", &path)
}
