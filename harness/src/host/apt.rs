//! apt as an ordinary user: lists and downloads in a folder of our own, with the machine's sources and keys.
//!
//! Invariant: nothing here needs root or touches the machine's own apt state. What apt downloads it has checked
//! against the archive's signatures.

use super::lock::Package;
use super::packages::Archive;
use crate::cache;
use crate::error::{Context, Error, Result};
use crate::process::{self, Launch};
use crate::ui::Ui;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// apt with its state in a folder.
pub struct Apt {
    dir: PathBuf,
}

/// A package as the archive describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What a lock file keeps.
    pub package: Package,
    /// The names that it depends on, the first alternative of each.
    pub depends: Vec<String>,
    /// Whether the archive files it under libraries.
    pub library: bool,
}

impl Apt {
    /// Prepares `dir` and brings the package lists up to date.
    pub fn open(dir: &Path, release: &str, ui: &Ui) -> Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial", "log"] {
            let part = dir.join(part);
            fs::create_dir_all(&part).on("make", &part)?;
        }
        let conf = dir.join("apt.conf");
        let root = rustix::process::geteuid().is_root();
        fs::write(&conf, configuration(dir, release, root)).on("write", &conf)?;
        let apt = Self { dir: dir.to_owned() };
        let _step = ui.step("Reading Debian's package lists (apt-get update)");
        let lists = dir.join("state/lists");
        let mut update = apt.command("apt-get");
        update.args(["-q", "update"]);
        let updated = apt.watch(update, "update", || size_of(&lists));
        // A source that fails is no reason to stop while the others serve: a package that is missing then says so.
        let files = fs::read_dir(&lists).on("read the package lists in", &lists)?;
        if files.flatten().any(|file| file.file_name().to_string_lossy().contains("_Packages")) {
            return Ok(apt);
        }
        updated?;
        // apt-get calls it a success.
        Err(Error::missing(format!("apt-get update found no package lists: {}", apt.complaints("update")))
            .next(WITHOUT_NETWORK))
    }

    /// What apt-cache answers. It complains with its exit status of names that it doesn't know.
    fn cached(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command("apt-cache");
        command.args(arguments);
        let said = process::run(command, STALL)?;
        let late = || Error::missing(format!("apt-cache {} did not end within {} s", arguments[0], STALL.as_secs()));
        said.status.map(|_| said.stdout).ok_or_else(late)
    }

    /// Runs apt, whose complaints go to `log/NAME`, and stops it when `progress` has stood still for too long.
    fn watch(&self, mut command: Command, name: &str, mut progress: impl FnMut() -> u64) -> Result<()> {
        let log = self.dir.join("log").join(name);
        let complaints = fs::File::create(&log).on("write", &log)?;
        command.stdout(Stdio::null()).stderr(complaints);
        let running = Launch::new(command).start().map_err(absent)?;
        let ended = running.ended();
        let (mut reached, mut since) = (0, Instant::now());
        let status = loop {
            if let Some(status) = ended.wait(Duration::from_millis(100)) {
                break status.unwrap_or_default();
            }
            let now = progress();
            if now != reached {
                (reached, since) = (now, Instant::now());
            } else if since.elapsed() > STALL {
                let seconds = STALL.as_secs();
                return Err(Error::missing(format!("apt-get {name} stood still for {seconds} s after {now} bytes"))
                    .next(WITHOUT_NETWORK));
            }
        };
        if status.success() {
            return Ok(());
        }
        Err(Error::missing(format!("apt-get {name} failed: {}", self.complaints(name))).next(WITHOUT_NETWORK))
    }

    fn complaints(&self, name: &str) -> String {
        last_words(&fs::read(self.dir.join("log").join(name)).unwrap_or_default())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.dir.join("apt.conf"));
        command.env("LC_ALL", "C").env_remove("APT_CONFIG").stdin(Stdio::null());
        command
    }
}

impl Archive for Apt {
    fn names(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self.cached(&["pkgnames", prefix])?.lines().map(str::to_owned).collect())
    }

    fn show(&self, names: &[String], every: bool) -> Result<Vec<Described>> {
        let versions = if every { "--all-versions" } else { "--no-all-versions" };
        let names = names.iter().map(String::as_str);
        Ok(stanzas(&self.cached(&["show", versions].into_iter().chain(names).collect::<Vec<_>>())?))
    }

    fn download(&self, packages: &[Package], into: &Path, ui: &Ui) -> Result<()> {
        let bytes: u64 = packages.iter().map(|package| package.size).sum();
        let noun = if packages.len() == 1 { "package" } else { "packages" };
        let text = format!("Downloading {} {noun} of Xen and Linux from Debian's archive", packages.len());
        let step = ui.transfer(&text, bytes);
        let mut download = self.command("apt-get");
        download.args(["-q", "download"]).current_dir(into);
        download.args(packages.iter().map(|package| format!("{}={}", package.name, package.version)));
        self.watch(download, "download", || {
            let done = size_of(into);
            step.at(done);
            done
        })
    }

    fn close(self) -> Result<()> {
        // A hundred megabytes of lists, which the next time brings up to date by fetching a tenth of that.
        cache::remove(&self.dir)
    }
}

/// How long apt may make no progress. It gives up on a silent server itself after a few tries of 30 s.
const STALL: Duration = Duration::from_secs(180);

const WITHOUT_NETWORK: &str = "check the network and try again, or make the test host on another machine with \
     `cargo harness host export FILE` and take it over here with `cargo harness host import FILE`";

fn absent(error: std::io::Error) -> Error {
    if error.kind() != std::io::ErrorKind::NotFound {
        return Error::from_io(&error, "start apt");
    }
    Error::missing("the test host is built from Debian's packages, and this machine has no apt").next(
        "make it on a Debian 12 or 13 machine with `cargo harness host export FILE` and take it over here \
         with `cargo harness host import FILE`",
    )
}

/// apt's configuration. It comes after the machine's own, of which it drops what would run as root or lists more
/// than packages. Packages of the release itself win over those of other sources.
fn configuration(dir: &Path, release: &str, root: bool) -> String {
    let dir = dir.display();
    let sandbox = if root { "APT::Sandbox::User \"root\";\n" } else { "" };
    format!(
        "Dir::State \"{dir}/state\";\nDir::State::lists \"lists\";\nDir::State::status \"/dev/null\";\n\
         Dir::Cache \"{dir}/cache\";\nDir::Cache::archives \"archives\";\nDir::Log \"{dir}/log\";\n\
         APT::Architecture \"amd64\";\n#clear APT::Architectures;\nAPT::Architectures {{ \"amd64\"; }};\n\
         #clear APT::Update;\n#clear DPkg::Post-Invoke;\n#clear DPkg::Pre-Invoke;\n\
         APT::Default-Release \"/^{release}(-security|-updates)?$/\";\n\
         Acquire::Languages \"none\";\nAcquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         Acquire::Retries \"2\";\nAcquire::http::Timeout \"30\";\nAcquire::https::Timeout \"30\";\n{sandbox}"
    )
}

/// The last lines of what a program complained about, on one line.
fn last_words(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// Bytes in the files of `dir` and the folders below it.
fn size_of(dir: &Path) -> u64 {
    let size = |item: fs::DirEntry| match item.metadata() {
        Ok(data) if data.is_dir() => size_of(&item.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    fs::read_dir(dir).map(|items| items.flatten().map(size).sum()).unwrap_or(0)
}

/// Parses what `apt-cache show` prints: stanzas of `Key: value` lines, with an empty line between.
fn stanzas(text: &str) -> Vec<Described> {
    text.split("\n\n").filter_map(stanza).collect()
}

fn stanza(text: &str) -> Option<Described> {
    let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let package = Package {
        name: field("Package")?.to_owned(),
        version: field("Version")?.to_owned(),
        sha256: field("SHA256")?.to_owned(),
        size: field("Size")?.parse().ok()?,
    };
    let depends = [field("Pre-Depends"), field("Depends")].into_iter().flatten().flat_map(dependencies).collect();
    Some(Described { package, depends, library: field("Section") == Some("libs") })
}

/// `libc6 (>= 2.35), python3:any | x` are the names libc6 and python3.
fn dependencies(list: &str) -> impl Iterator<Item = String> {
    let name = |item: &str| item.trim().split([' ', ':', '|', '(']).next().map(str::to_owned);
    list.split(',').filter_map(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_read() {
        let text = "Package: xen-utils-4.17\nVersion: 4.17.7-1\nSection: libs\nDepends: libc6 (>= 2.35), python3:any | x, b\n\
                    Pre-Depends: c\nSize: 12\nSHA256: ab\nDescription: x\n\nPackage: virtual\n\n";
        let found = stanzas(text);
        assert_eq!(found.len(), 1);
        let package = &found[0].package;
        assert_eq!((package.name.as_str(), package.size, package.sha256.as_str()), ("xen-utils-4.17", 12, "ab"));
        assert!(found[0].library);
        assert_eq!(found[0].depends, ["c", "libc6", "python3", "b"]);
    }

    #[test]
    fn a_complaint_is_cut_to_its_end() {
        assert_eq!(last_words(b"a\nb\n\nc\nd\n"), "b; c; d");
        assert_eq!(last_words(b""), "");
    }
}
