//! A cage for the compiler while it works on files that somebody else has written.
//!
//! What rustc can be made to do by the text of an exercise is bounded twice. Landlock lets the compiler read the
//! toolchain, the system's libraries and one folder, write one other folder, and reach no network, whoever it runs
//! as. Limits end what takes too long, too much memory or too much disk. A kernel without Landlock still gives the
//! limits, and [`Sandbox::lacks`] says so.
//!
//! Invariant: nothing in here is inherited by the harness itself, only by what it starts this way.

use crate::error::{Error, Result};
use crate::process::{self, Launch};
use landlock::{ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};
use landlock::{RulesetStatus, Scope, path_beneath_rules};
use rustix::process::{Resource, Rlimit};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The newest version of Landlock whose restrictions are asked for; an older kernel gives those it knows.
const LANDLOCK: ABI = ABI::V6;
/// What programs on any Linux need to start.
const SYSTEM: [&str; 8] =
    ["/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"];

/// Where a compiler may read and write, and how much it may use.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// The toolchain: the folder with `bin/cargo` and `bin/rustc`.
    pub toolchain: PathBuf,
    /// What is compiled. Nothing else of the machine is readable, but for toolchain and system.
    pub readable: PathBuf,
    /// Where the compiler works.
    pub writable: PathBuf,
    /// What each of its processes may use.
    pub limits: Limits,
}

/// What one process may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Processor time.
    pub cpu: Duration,
    /// Address space, in bytes.
    pub memory: u64,
    /// The largest file it may write, in bytes.
    pub file: u64,
}

impl Limits {
    /// Many times what a stage takes; `scale` is how slow the machine is.
    pub fn scaled(scale: f64) -> Self {
        Self { cpu: Duration::from_secs_f64((20.0 * scale).max(8.0)), memory: 6 << 30, file: 256 << 20 }
    }
}

impl Sandbox {
    /// The toolchain that a checkout's `rust-toolchain.toml` asks for.
    pub fn find_toolchain(checkout: &Path) -> Result<PathBuf> {
        let mut rustc = Command::new("rustc");
        rustc.args(["--print", "sysroot"]).current_dir(checkout);
        let said = process::run(rustc, Duration::from_secs(60))?;
        let folder = PathBuf::from(said.stdout.trim());
        if said.success() && folder.join("bin/cargo").is_file() {
            return Ok(folder);
        }
        let text = format!("no cargo beside rustc in {}: {}", folder.display(), said.stderr.trim());
        Err(Error::missing(text).next("install Rust with rustup: https://rustup.rs"))
    }

    /// Cargo, with nothing of the caller's environment.
    pub fn cargo(&self) -> Command {
        let bin = self.toolchain.join("bin");
        let mut cargo = Command::new(bin.join("cargo"));
        // Cargo looks for settings in the working directory and all above it: here there are only ours.
        cargo.current_dir("/").env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        cargo.env("RUSTC", bin.join("rustc")).env("CARGO_HOME", self.writable.join("home"));
        cargo.env("HOME", &self.writable).env("TMPDIR", &self.writable);
        cargo
    }

    /// A program that is to run in the cage.
    pub fn cage(&self, launch: Launch) -> Launch {
        let limits = [
            // A second more for the system to kill it that way, if the signal that says why does not.
            (Resource::Cpu, self.limits.cpu.as_secs(), self.limits.cpu.as_secs() + 1),
            (Resource::As, self.limits.memory, self.limits.memory),
            (Resource::Fsize, self.limits.file, self.limits.file),
            (Resource::Core, 0, 0),
        ];
        let limits =
            limits.map(|(resource, soft, hard)| (resource, Rlimit { current: Some(soft), maximum: Some(hard) }));
        let cage = self.clone();
        // Landlock binds the thread that asks for it and what that starts: the keeper's.
        launch.limited(limits.into()).caged(move || {
            let entered = cage.enter();
            entered.map(drop).map_err(|error| std::io::Error::other(format!("restrict the compiler: {error}")))
        })
    }

    /// What is not enforced on this machine; `None` where all of it is.
    pub fn lacks(&self) -> Option<&'static str> {
        let tried = std::thread::scope(|scope| scope.spawn(|| self.enter()).join());
        match tried {
            Ok(Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced)) => None,
            _ => Some("this kernel has no Landlock: the compiler has limits, but may read what you may read"),
        }
    }

    fn enter(&self) -> std::result::Result<RulesetStatus, landlock::RulesetError> {
        let (all, read) = (AccessFs::from_all(LANDLOCK), AccessFs::from_read(LANDLOCK));
        let readable = [&self.toolchain, &self.readable].into_iter().map(PathBuf::as_path);
        let readable = readable.chain(SYSTEM.iter().map(Path::new));
        let mut rules = Ruleset::default()
            .handle_access(all)?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?
            .add_rules(path_beneath_rules(readable, read))?
            .add_rules(path_beneath_rules([&self.writable], all))?;
        if let Ok(null) = PathFd::new("/dev/null") {
            rules = rules.add_rule(PathBeneath::new(null, AccessFs::from_file(LANDLOCK)))?;
        }
        Ok(rules.restrict_self()?.ruleset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::Stdio;

    fn run(script: &str, limits: Limits) -> (String, std::process::ExitStatus) {
        let folder = tempfile::tempdir().unwrap();
        let (readable, writable) = (folder.path().join("in"), folder.path().join("out"));
        for path in [&readable, &writable] {
            std::fs::create_dir(path).unwrap();
        }
        std::fs::write(readable.join("text"), "readable\n").unwrap();
        std::fs::write(folder.path().join("secret"), "secret\n").unwrap();
        let sandbox = Sandbox { toolchain: "/usr".into(), readable, writable, limits };
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(&sandbox.readable).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = sandbox.cage(Launch::new(command)).start().unwrap();
        let mut said = String::new();
        running.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        (said, running.wait().unwrap())
    }

    #[test]
    fn files_outside_are_out_of_reach() {
        let script = "cat text; cat ../secret; echo x > ../out/new && cat ../out/new; echo x > text; cat text; \
                      ls /root /home; cat /etc/passwd /proc/1/environ";
        let (said, _) = run(script, Limits::scaled(1.0));
        assert_eq!(said, "readable\nx\nreadable\n");
        // The harness itself is as free as before.
        assert!(std::fs::read("/etc/passwd").is_ok());
    }

    #[test]
    fn a_loop_ends_at_the_limit() {
        use std::os::unix::process::ExitStatusExt;
        let limits = Limits { cpu: Duration::from_secs(1), ..Limits::scaled(1.0) };
        let (_, status) = run("while :; do :; done", limits);
        assert!(status.signal().is_some(), "{status}");
    }
}
