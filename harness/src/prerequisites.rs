//! What the machine itself must have, and how it gets there.

use crate::error::{Error, Result};
use crate::process;
use crate::ui::Ui;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const PACKAGE: &str = "qemu-system-x86";

/// Makes sure that QEMU is there. As root it is installed; otherwise the error names the command that does it.
pub fn qemu(ui: &Ui) -> Result<()> {
    if find("qemu-system-x86_64").is_some() {
        return Ok(());
    }
    let advice = format!("sudo apt-get install -y --no-install-recommends {PACKAGE}");
    let missing = || Error::missing("QEMU is not installed; Xen runs in it").next(&advice);
    if find("apt-get").is_none() {
        return Err(missing().next("install qemu-system-x86_64 with your distribution's package manager"));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(missing());
    }
    let step = ui.step(&format!("Installing {PACKAGE}: Xen runs in QEMU, and it is not here yet"));
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", PACKAGE]] {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "-o", "DPkg::Lock::Timeout=300"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        let finished = process::run(&mut command, Duration::from_secs(1200))?;
        // A source of packages that is out of reach need not be the one we need.
        if !finished.success() && arguments[0] == "install" {
            let said = crate::tail(&finished.stderr, 10);
            return Err(Error::missing(format!("could not install {PACKAGE}:\n{said}")).next(&advice));
        }
    }
    drop(step);
    find("qemu-system-x86_64").map(|_| ()).ok_or_else(missing)
}

/// A program on the path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
