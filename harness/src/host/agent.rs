//! Compiles the agent that runs in dom0.

use crate::error::{Context, Error, Kind, Result};
use crate::ui::Ui;
use crate::{process, toolchain};
use std::path::Path;
use std::time::Duration;

/// Far more than a slow machine needs, its downloads included.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// The agent of the repository at `repo`, compiled with the cargo that runs us.
///
/// Its target folder is its own, so it neither waits for nor disturbs the user's builds; flags meant for those are
/// kept out.
pub fn build(repo: &Path, ui: &Ui) -> Result<Vec<u8>> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let _step = ui.step("Compiling the test host's agent");
    let target_dir = repo.join("target/agent");
    let mut command = toolchain::cargo(repo);
    command
        .args(["build", "--quiet", "--package", "dom0-agent", "--bin", "dom0-agent"])
        .args(["--profile", "agent", "--target", TARGET, "--target-dir"])
        .arg(&target_dir);
    let built = process::run(command, LIMIT)?;
    if built.status.is_none() {
        let text = format!("the test host's agent did not compile within {} minutes", LIMIT.as_secs() / 60);
        return Err(Error::new(Kind::Build, text));
    }
    if !built.success() {
        let words = built.stderr.trim_end();
        return Err(Error::new(Kind::Build, format!("the test host's agent does not compile:\n{words}")));
    }
    let path = target_dir.join(TARGET).join("agent/dom0-agent");
    std::fs::read(&path).on("read", &path)
}
