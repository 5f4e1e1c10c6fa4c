//! Compiles the agent that runs in dom0.

use crate::error::{Context, Error, Kind, Result};
use crate::ui::Ui;
use std::path::Path;
use std::process::{Command, Stdio};

/// The agent of the repository at `repo`, compiled with the cargo that runs us.
///
/// Its target folder is its own, so it neither waits for nor disturbs the user's builds; flags meant for those are
/// kept out.
pub fn build(repo: &Path, ui: &Ui) -> Result<Vec<u8>> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let _step = ui.step("Compiling the test host's agent");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target_dir = repo.join("target/agent");
    let mut command = Command::new(&cargo);
    command
        .current_dir(repo)
        .args(["build", "--quiet", "--package", "dom0-agent", "--bin", "dom0-agent"])
        .args(["--profile", "agent", "--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .stdin(Stdio::null());
    for name in
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET"]
    {
        command.env_remove(name);
    }
    let output = command.output().doing(format_args!("start {}", cargo.display()))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::new(Kind::Build, format!("the test host's agent does not compile:\n{}", words.trim_end())));
    }
    let path = target_dir.join(TARGET).join("agent/dom0-agent");
    std::fs::read(&path).on("read", &path)
}
