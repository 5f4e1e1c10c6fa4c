//! What the machine itself must have, and how it gets there.

use crate::error::{Error, Result};
use crate::process;
use crate::ui::Ui;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Makes sure that QEMU is there. As root it is installed; otherwise the error names the command that does it.
pub fn qemu(ui: &Ui) -> Result<()> {
    program(ui, "QEMU", "qemu-system-x86_64", "qemu-system-x86", "Xen runs in it")
}

/// Makes sure of what the tests of file systems compare with: other people's programs that read FAT.
pub fn fat_tools(ui: &Ui) -> Result<()> {
    let why = "tests ask it what a guest has written";
    program(ui, "mkfs.vfat", "mkfs.vfat", "dosfstools", why)?;
    program(ui, "fsck.vfat", "fsck.vfat", "dosfstools", why)?;
    program(ui, "mcopy", "mcopy", "mtools", why)
}

/// Makes sure that a program, which people know by a name, is there, from a package if need be.
fn program(ui: &Ui, name: &str, program: &str, package: &str, why: &str) -> Result<()> {
    if find(program).is_some() {
        return Ok(());
    }
    let advice = format!("sudo apt-get install -y --no-install-recommends {package}");
    let missing = || Error::missing(format!("{name} is not installed; {why}")).next(&advice);
    if find("apt-get").is_none() {
        return Err(missing().next(format!("install {program} with your distribution's package manager")));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(missing());
    }
    let step = ui.step(&format!("Installing {package}: {why}, and it is not here yet"));
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", package]] {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "-o", "DPkg::Lock::Timeout=300"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        let finished = process::run(command, Duration::from_secs(1200))?;
        // A source of packages that is out of reach need not be the one we need.
        if !finished.success() && arguments[0] == "install" {
            let said = crate::tail(&finished.stderr, 10);
            return Err(Error::missing(format!("could not install {package}:\n{said}")).next(&advice));
        }
    }
    drop(step);
    find(program).map(|_| ()).ok_or_else(missing)
}

/// A program on the path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Where a user's path may not lead, but what is wanted may be.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
