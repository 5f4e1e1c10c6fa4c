//! What every command works with: the course, the cache, the way to show progress, and the parts put together.

use crate::cache;
use crate::check::report::Style;
use crate::cli::Cli;
use crate::course::{Course, Stage};
use crate::error::{Context, Result};
use crate::guest::{self, Guest};
use crate::host::{self, HostImage};
use crate::machine::{self, Machine};
use crate::ui::Ui;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// One run of the harness.
pub struct App {
    /// The checkout and what it teaches.
    pub course: Course,
    /// Where progress is shown.
    pub ui: Ui,
    /// How results may look.
    pub style: Style,
    /// Whether only the locked packages will do.
    pub locked: bool,
    /// The cache folder.
    pub cache: PathBuf,
}

impl App {
    /// Finds the course and the cache.
    pub fn new(cli: &Cli) -> Result<Self> {
        let plain = cli.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let style = Style { decorated: !plain && std::io::stdout().is_terminal() };
        Ok(Self { course: Course::find()?, ui: Ui::new(), style, locked: cli.locked, cache: cache::root()? })
    }

    /// What the test host is built from.
    pub fn host_options(&self) -> host::Options {
        host::Options { repo: self.course.root.clone(), locked: self.locked }
    }

    /// The test host's image, built first if it is not there.
    pub fn test_host(&self) -> Result<HostImage> {
        crate::prerequisites::qemu(&self.ui)?;
        host::ensure(&self.cache, &self.host_options(), &self.ui)
    }

    /// A running test host.
    pub fn machine(&self, image: &HostImage, options: &machine::Options) -> Result<Machine> {
        Machine::start(&self.cache, image, options, &self.ui)
    }

    /// A stage's guest: built, verified, and written as Xen boots it.
    pub fn guest(&self, stage: &Stage, features: Vec<String>) -> std::result::Result<Guest, guest::Failure> {
        let mut request = guest::Request::new(&self.course.root, &stage.package).features(features);
        request.color = self.style.decorated;
        request.deadline = request.deadline.mul_f64(self.scale(None));
        guest::make(&request, &self.ui)
    }

    /// What deadlines are multiplied by: what was asked for, or what the doctor measured, or 1.
    pub fn scale(&self, asked: Option<f64>) -> f64 {
        asked.or_else(|| read_factor(&self.cache)).unwrap_or(1.0)
    }

    /// The checkout's commit, where git can tell.
    pub fn commit(&self) -> Option<String> {
        let shell = self.shell()?;
        cmd!(shell, "git rev-parse HEAD").quiet().ignore_stderr().read().ok()
    }

    /// The compiler's version.
    pub fn toolchain(&self) -> String {
        let said = self.shell().and_then(|shell| cmd!(shell, "rustc --version").quiet().ignore_stderr().read().ok());
        said.unwrap_or_default()
    }

    /// A shell in the checkout, for commands that answer at once.
    fn shell(&self) -> Option<Shell> {
        let shell = Shell::new().ok()?;
        shell.change_dir(&self.course.root);
        Some(shell)
    }
}

/// Where the cache keeps the factor.
pub const FACTOR: &str = "machine-factor";

fn factor_file(cache: &Path) -> PathBuf {
    cache.join(FACTOR)
}

/// The factor that the doctor measured on this machine.
pub fn read_factor(cache: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(factor_file(cache)).ok()?;
    text.trim().parse().ok().filter(|factor: &f64| (1.0..=100.0).contains(factor))
}

/// Keeps a measured factor.
pub fn write_factor(cache: &Path, factor: f64) -> Result<()> {
    let file = factor_file(cache);
    std::fs::write(&file, format!("{factor:.2}\n")).on("write", &file)
}
