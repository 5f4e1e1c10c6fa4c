//! Builds a guest with plain stable Rust and the toolchain's own linker.
//!
//! Host and guest have the same triple, so the guest's flags cannot stand in `.cargo/config.toml`: they come
//! from here, and nothing of the caller's environment mixes with them. Invariant: two builds of the same
//! sources, features and toolchain link the same bytes, whoever's shell they run in; but not those for checks,
//! which begin with what is left of the last one.

use super::diagnostics::{Diagnostic, Outcome};
use crate::cache::Lock;
use crate::error::{Context, Error, Kind, Result};
use crate::process::{Launch, Running};
use crate::sandbox::Sandbox;
use crate::toolchain;
use crate::ui::{Step, Ui};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// The guest's target: the ordinary one, with its prebuilt `core` and `alloc`.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The one linker script of all stages and applications, from the repository's root.
pub const LINKER_SCRIPT: &str = "stages/stage1-console/link.ld";

/// Flags for everything in the image. `-n` keeps page padding out of the file.
const FLAGS: [&str; 11] = [
    "--cfg=guest",
    "-Clinker=rust-lld",
    "-Clinker-flavor=ld.lld",
    "-Cno-redzone=yes",
    "-Crelocation-model=static",
    "-Ccode-model=kernel",
    "-Cforce-frame-pointers=yes",
    "-Clink-arg=-static",
    "-Clink-arg=--no-pie",
    "-Clink-arg=-n",
    "-Clink-arg=--build-id=none",
];

/// The profile `guest` of our workspace, for an application that lives in another one.
const PROFILE: [&str; 7] = [
    "profile.guest.inherits='release'",
    "profile.guest.panic='abort'",
    "profile.guest.lto='off'",
    "profile.guest.codegen-units=1",
    "profile.guest.opt-level=2",
    "profile.guest.debug='full'",
    "profile.guest.overflow-checks=true",
];

/// How long a build may take before something must be wrong, on the reference machine: one from nothing takes a minute.
pub const LONGEST_BUILD: Duration = Duration::from_secs(15 * 60);

/// What to build.
#[derive(Clone, Debug)]
pub struct Request {
    /// The repository's root.
    pub repo: PathBuf,
    /// An application outside the repository: its `Cargo.toml`.
    pub manifest: Option<PathBuf>,
    /// The package; its binary has the same name.
    pub package: String,
    /// Cargo features to turn on.
    pub features: Vec<String>,
    /// Where cargo keeps its work; `target/guest` of the repository if none is given.
    pub target_dir: Option<PathBuf>,
    /// Whether rustc's messages may have colour.
    pub color: bool,
    /// How long it may take.
    pub deadline: Duration,
    /// The cage that the compiler works in, where it is given files of somebody else.
    pub sandbox: Option<Sandbox>,
}

impl Request {
    /// A package of the repository, without features.
    pub fn new(repo: impl Into<PathBuf>, package: impl Into<String>) -> Self {
        Self {
            repo: repo.into(),
            manifest: None,
            package: package.into(),
            features: Vec::new(),
            target_dir: None,
            color: false,
            deadline: LONGEST_BUILD,
            sandbox: None,
        }
    }

    /// The same with `features` on.
    pub fn features<S: Into<String>>(mut self, features: impl IntoIterator<Item = S>) -> Self {
        self.features = features.into_iter().map(Into::into).collect();
        self
    }

    /// The profile of our workspace: checks are compiled at every try of a student's, and never shipped.
    fn profile(&self) -> &'static str {
        if self.features.iter().any(|feature| feature == "checks") { "guest-checks" } else { "guest" }
    }

    fn target_dir(&self) -> PathBuf {
        self.target_dir.clone().unwrap_or_else(|| self.repo.join("target/guest"))
    }

    /// A file name that no other variant of the package has.
    fn variant(&self) -> String {
        let mut features = self.features.clone();
        features.sort();
        features.dedup();
        let key = format!("{:?} {features:?}", self.manifest);
        format!("{}-{:08x}", self.package, crc32fast::hash(key.as_bytes()))
    }
}

/// A linked guest.
#[derive(Clone, Debug)]
pub struct Built {
    /// The ELF, with debug information. A later build of the same variant replaces the file, no other does.
    pub elf: PathBuf,
    /// Whether cargo had nothing to do.
    pub fresh: bool,
    /// Our own crates in it, as against those from a registry.
    pub crates: Vec<String>,
    /// What rustc warned of.
    pub warnings: Vec<Diagnostic>,
}

/// Why there is no guest.
#[derive(Debug)]
pub enum Failure {
    /// rustc or the linker refused it: their messages, errors and warnings alike.
    Compile(Vec<Diagnostic>),
    /// Anything else.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Compile(diagnostics) => {
                let rendered = Outcome { diagnostics, ..Outcome::default() }.rendered_errors();
                Self::new(Kind::Build, rendered)
            }
            Failure::Other(error) => error,
        }
    }
}

/// Builds and links a guest.
///
/// # Errors
/// [`Failure::Compile`] with rustc's messages; otherwise what kept cargo from compiling.
pub fn build(request: &Request, ui: &Ui) -> std::result::Result<Built, Failure> {
    let dir = request.target_dir();
    fs::create_dir_all(&dir).on("make", &dir)?;
    // Variants of a package share the path that cargo links to. Held until the ELF has a name of its own.
    let step = ui.step(&format!("Building {}", request.package));
    let _lock = Lock::wait(&dir.join("harness.lock"), |who| step.say(&format!("Waiting for {who}, which builds")))?;
    let run = watch(start(command(request, &dir)?, request)?, request, &step)?;
    if !run.status.success() {
        return Err(failure(run, request));
    }
    let Some(linked) = run.outcome.executable else {
        return Err(Error::fault(format!("cargo built {} but linked no program", request.package)).into());
    };
    let elf = keep(&linked, &dir.join("linked"), &request.variant())?;
    Ok(Built { elf, fresh: run.outcome.fresh, crates: run.outcome.crates, warnings: run.outcome.diagnostics })
}

fn start(cargo: Command, request: &Request) -> Result<Running> {
    let launch = Launch::new(cargo).within(request.deadline);
    if let Some(sandbox) = &request.sandbox {
        return sandbox.cage(launch).start().doing("start cargo in its sandbox");
    }
    launch.start().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::missing("cargo is not on the PATH").next("install Rust with rustup: https://rustup.rs")
        }
        _ => Error::from_io(&error, "start cargo"),
    })
}

/// Cargo, in an environment that decides nothing.
fn cargo(request: &Request) -> Command {
    if let Some(sandbox) = &request.sandbox {
        let mut cargo = sandbox.cargo();
        cargo.arg("rustc").arg("--manifest-path").arg(request.repo.join("Cargo.toml"));
        // What it needs lies beside it.
        cargo.args(["--locked", "--offline", "--config"]).arg(request.repo.join("vendored.toml"));
        return cargo;
    }
    let mut cargo = toolchain::cargo(&request.repo);
    cargo.arg("rustc");
    cargo
}

fn command(request: &Request, dir: &Path) -> Result<Command> {
    let script = request.repo.join(LINKER_SCRIPT);
    let content = fs::read(&script).on("read", &script)?;
    let mut cargo = cargo(request);
    match &request.manifest {
        Some(manifest) => {
            cargo.arg("--manifest-path").arg(manifest);
            PROFILE.iter().for_each(|setting| {
                cargo.args(["--config", setting]);
            });
        }
        None => {
            cargo.args(["--package", &request.package]);
        }
    }
    cargo
        .args(["--bin", &request.package, "--profile", request.profile(), "--target", TARGET, "--target-dir"])
        .arg(dir);
    if !request.features.is_empty() {
        cargo.args(["--features", &request.features.join(",")]);
    }
    let format = if request.color { "json-diagnostic-rendered-ansi" } else { "json" };
    cargo.arg(format!("--message-format={format}"));
    // Cargo doesn't watch the linker script: its hash among the last step's flags makes a change relink.
    cargo.arg("--").arg(format!("-Clink-arg=-T{}", script.display()));
    cargo.arg(format!("--cfg=linker_script=\"{:08x}\"", crc32fast::hash(&content)));
    let flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).chain(remap(request)).collect();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(cargo)
}

/// Has libraries be named alike wherever this machine keeps them: a panic in one tells its file.
fn remap(request: &Request) -> Vec<String> {
    let to = |from: &Path, name: &str| format!("--remap-path-prefix={}={name}", from.display());
    if request.sandbox.is_some() {
        return vec![to(&request.repo.join("vendor"), "registry")];
    }
    let own = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(own);
    let mut flags: Vec<String> = home.iter().map(|home| to(&home.join("registry/src"), "registry")).collect();
    // Seen from another workspace, the kernel is such a library too. Debuggers still find its sources.
    if request.manifest.is_some() {
        flags.extend(home.iter().map(|home| to(&home.join("git/checkouts"), "git")));
        flags.extend([to(&request.repo, ""), "--remap-path-scope=macro".to_owned()]);
    }
    flags
}

struct Run {
    outcome: Outcome,
    stderr: String,
    status: ExitStatus,
}

/// Reads both of cargo's streams until it ends or is ended.
fn watch(mut cargo: Running, request: &Request, step: &Step) -> Result<Run> {
    let (stdout, stderr) = (cargo.stdout.take(), cargo.stderr.take());
    let (outcome, stderr) = std::thread::scope(|scope| {
        let messages = scope.spawn(move || {
            let mut outcome = Outcome::new();
            lines(stdout, |line| outcome.line(line));
            outcome
        });
        let mut text = String::new();
        lines(stderr, |line| {
            step.say(&format!("Building {}: {}", request.package, line.trim()));
            text.push_str(line);
            text.push('\n');
        });
        (messages.join().unwrap_or_default(), text)
    });
    let late = || {
        let last = stderr.lines().last().unwrap_or("nothing").trim();
        let after = request.deadline.as_secs();
        let text = format!("{} did not finish compiling within {after} s; cargo last said: {last}", request.package);
        Error::new(Kind::Build, text).next("look for a loop in a `const` that never ends")
    };
    let status = cargo.wait().ok_or_else(late)?;
    Ok(Run { outcome, stderr, status })
}

fn lines(stream: Option<impl Read>, mut each: impl FnMut(&str)) {
    /// More than any build says; what comes behind it is read and thrown away.
    const MOST: u64 = 16 << 20;
    let Some(mut stream) = stream else { return };
    let mut reader = BufReader::new(stream.by_ref().take(MOST));
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        each(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
        line.clear();
    }
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

fn failure(run: Run, request: &Request) -> Failure {
    if run.outcome.diagnostics.iter().any(|diagnostic| diagnostic.error) {
        return Failure::Compile(run.outcome.diagnostics);
    }
    if let Some(sandbox) = &request.sandbox
        && let Some((_, signal)) = run.stderr.rsplit_once("(signal: ")
    {
        let signal = signal.split(')').next().unwrap_or_default();
        // SIGXCPU, which cargo has no name for.
        if signal.starts_with("24") {
            let text = format!("the compiler did not end within {} s", sandbox.limits.cpu.as_secs());
            return Error::new(Kind::Build, text).next("look for a loop in a `const` that never ends").into();
        }
        return Error::new(Kind::Build, format!("the compiler did not survive this source: signal {signal}")).into();
    }
    // Cargo itself: a manifest, a lock file, a registry out of reach.
    let said: Vec<_> = run.stderr.lines().skip_while(|line| !line.starts_with("error")).collect();
    let said = if said.is_empty() { run.stderr.trim().to_owned() } else { said.join("\n") };
    let error = Error::new(Kind::Build, format!("cargo could not build {}\n{}", request.package, said.trim_end()));
    let network = ["failed to download", "Could not resolve host", "failed to get", "network", "spurious"];
    if network.iter().any(|sign| run.stderr.contains(sign)) {
        return Error { kind: Kind::Missing, ..error }.next("connect to the network once: `cargo fetch`").into();
    }
    error.into()
}

/// Gives the linked program a name of its own, so that the next variant doesn't replace it.
fn keep(linked: &Path, dir: &Path, variant: &str) -> Result<PathBuf> {
    fs::create_dir_all(dir).on("make", dir)?;
    let place = dir.join(format!("{variant}.elf"));
    let making = dir.join(format!("{variant}.elf.{}", std::process::id()));
    // A second link costs nothing, and the linker makes a new file each time rather than write into this one.
    fs::hard_link(linked, &making).or_else(|_| fs::copy(linked, &making).map(drop)).on("copy", linked)?;
    fs::rename(&making, &place).on("put in place", &place)?;
    // Renaming one link of a file over another of the same file does nothing and leaves both.
    let _ = fs::remove_file(&making);
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_have_names_of_their_own_and_order_does_not_matter() {
        let plain = Request::new("/r", "stage1-console");
        let checks = plain.clone().features(["checks", "reference"]);
        assert_ne!(plain.variant(), checks.variant());
        assert_eq!(checks.variant(), plain.clone().features(["reference", "checks"]).variant());
    }
}
