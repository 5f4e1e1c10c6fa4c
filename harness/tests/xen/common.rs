//! What the tests of the whole command share: calling it, and a copy of the course to make mistakes in.

use harness::app::App;
use harness::cache;
use harness::check::report::Style;
use harness::course::Course;
use harness::given::Lock;
use harness::ui::Ui;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// For snapshots: a line in a given file or in the standard library, which is no matter of a report.
pub const GIVEN_LINE: &str =
    r"((?:library|src/(?:bedrock|checks|main|tests|console_ring|boot_info|xen|under_test))[^ ]*\.rs)(?::\d+)+";

/// The checkout that the tests belong to.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the harness is in a checkout")
}

/// What a command of this checkout works with, for tests that call the harness in their own process.
pub fn app() -> App {
    let course = Course::load(repository()).unwrap();
    let cache = cache::root().unwrap();
    App { course, ui: Ui::silent(), style: Style::default(), locked: false, cache }
}

/// The command, to be run in `folder`.
pub fn harness(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).env_remove("CARGO_TARGET_TMPDIR");
    command
}

/// What a command that has ended left behind.
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Fails with all that was said unless the command ended with `status`.
    #[track_caller]
    pub fn with(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Runs the command to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Ended {
    harness(folder, arguments).output().expect("start the harness").into()
}

/// Boots the reference of a stage with this command line, and with more arguments of `harness run`.
pub fn boot(stage: &str, more: &[&str], command_line: &str) -> Ended {
    let arguments = ["run", stage, "--solution", "--timeout", "120", "--cmdline", command_line];
    run(repository(), &[&arguments[..], more].concat())
}

/// Fails unless each of these is a line of a guest's console.
#[track_caller]
pub fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|said| said == *line), "{line:?} in\n{text}");
    }
}

/// The numbers of the line that begins with `beginning`.
#[track_caller]
pub fn numbers(console: &str, beginning: &str) -> Vec<u64> {
    let line = console.lines().find(|line| line.starts_with(beginning));
    let line = line.unwrap_or_else(|| panic!("{beginning} in {console}"));
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

/// A copy of the course, in which exercises can be filled in. Its build folder stays from test to test, so that
/// only what a test changes is compiled; therefore one test at a time has it.
pub struct Lab {
    root: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

const FOLDERS: [&str; 6] = ["stages", "solutions", "labs", "images", "harness", "book"];
const FILES: [&str; 5] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml", "rustfmt.toml"];

impl Lab {
    /// The starters, as they are in the checkout.
    pub fn starters() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
        copy_course(&root);
        // A test that made a handout of it may have failed half-way.
        let _ = fs::remove_file(root.join(harness::given::FILE));
        Self { root, _alone: alone }
    }

    /// The references in the place of the starters.
    pub fn solved() -> Self {
        let lab = Self::starters();
        for file in ["ring.rs", "start_info.rs", "hypercall.rs"] {
            lab.solve(file);
        }
        lab
    }

    /// Puts the reference in the place of a starter.
    pub fn solve(&self, file: &str) {
        refresh(&self.root.join("solutions/stage1-console").join(file), &self.exercise(file));
    }

    /// Replaces text in an exercise that must hold it exactly once.
    #[track_caller]
    pub fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.exercise(file);
        let source = fs::read_to_string(&path).expect("read the exercise");
        assert_eq!(source.matches(from).count(), 1, "{from:?} in {file}");
        fs::write(&path, source.replace(from, to)).expect("change the exercise");
    }

    /// Says in the copy what was given, as a handout does: the starters above all.
    pub fn hand_out(&self) {
        let course = Course::load(&self.root).expect("load the copy's course");
        let exercises =
            course.stages.iter().flat_map(|stage| stage.lab.exercises.iter().map(|e| stage.exercise_path(e)));
        let lock = Lock::make(&course, 1, &exercises.collect::<Vec<_>>()).expect("read the starters");
        lock.write(&self.root).expect("write what was given");
    }

    /// Runs the command in the copy.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        run(&self.root, arguments)
    }

    /// Where the copy is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where an exercise is in the copy.
    pub fn exercise(&self, file: &str) -> PathBuf {
        self.root.join("stages/stage1-console/src").join(file)
    }
}

/// Makes `root` a copy of the checkout, without its history and what was built.
pub fn copy_course(root: &Path) {
    fs::create_dir_all(root.join(".cargo")).expect("make the copy's folder");
    for file in FILES {
        refresh(&repository().join(file), &root.join(file));
    }
    for folder in FOLDERS {
        refresh(&repository().join(folder), &root.join(folder));
    }
}

/// Makes `to` a copy of `from`, and leaves alone what is the same already, so that cargo sees no change.
fn refresh(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("make a folder");
        // What an earlier test added goes again.
        for entry in fs::read_dir(to).expect("read a folder") {
            let surplus = entry.expect("read a folder").path();
            let kept = surplus.ends_with("target") || from.join(surplus.file_name().unwrap_or_default()).exists();
            if !kept {
                let removed = if surplus.is_dir() { fs::remove_dir_all(&surplus) } else { fs::remove_file(&surplus) };
                removed.expect("remove what an earlier test added");
            }
        }
        for entry in fs::read_dir(from).expect("read a folder") {
            let name = entry.expect("read a folder").file_name();
            if name != "target" {
                refresh(&from.join(&name), &to.join(&name));
            }
        }
    } else {
        let content = fs::read(from).expect("read a file");
        if fs::read(to).ok().as_ref() != Some(&content) {
            fs::write(to, content).expect("write a file");
        }
    }
}

/// A checkout with a history in git and nothing that has been built: enough for all that compiles nothing.
pub struct Checkout {
    folder: TempDir,
}

impl Checkout {
    pub fn new() -> Self {
        let checkout = Self { folder: tempfile::tempdir().unwrap() };
        for part in ["labs", "stages", "solutions", "harness/src/check", "rust-toolchain.toml"] {
            copy(&repository().join(part), &checkout.root().join(part));
        }
        checkout.git(&["init", "--quiet"]);
        checkout.git(&["add", "."]);
        checkout.git(&["commit", "--quiet", "--message", "starters"]);
        checkout
    }

    pub fn git(&self, arguments: &[&str]) {
        self.git_says(arguments);
    }

    pub fn git_says(&self, arguments: &[&str]) -> String {
        Self::output(self.git_command(arguments))
    }

    /// Git, at this moment.
    pub fn git_at(&self, moment: &str, arguments: &[&str]) {
        let mut git = self.git_command(arguments);
        git.env("GIT_COMMITTER_DATE", moment);
        Self::output(git);
    }

    fn git_command(&self, arguments: &[&str]) -> Command {
        let identity = ["-c", "user.name=S", "-c", "user.email=s@example.org", "-c", "commit.gpgsign=false"];
        let mut git = Command::new("git");
        git.arg("-C").arg(self.folder.path()).args(identity).args(arguments);
        git
    }

    fn output(mut git: Command) -> String {
        let said = git.output().unwrap();
        assert!(said.status.success(), "{git:?}");
        String::from_utf8(said.stdout).unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        run(self.folder.path(), arguments)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}
