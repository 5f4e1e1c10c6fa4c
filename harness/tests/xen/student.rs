//! The commands that a student works with: where they stand, hints, solutions, the starter again, handing in.

use crate::common::{self, Checkout, Ended, Lab, repository, run};
use harness::course::Course;
use harness::given::Lock;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

macro_rules! assert_said {
    ($name:literal, $text:expr) => {
        insta::with_settings!({
            snapshot_path => "../../snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!($name, $text) })
    };
}

const RING: &str = "stages/stage1-console/src/ring.rs";

#[test]
fn a_fresh_checkout_lists_what_there_is_to_do() {
    let checkout = Checkout::new();
    assert_said!("list", checkout.run(&["list"]).with(0).stdout);
    assert_said!("next", checkout.run(&["next"]).with(0).stdout);
}

#[test]
fn a_newcomer_is_told_where_things_stand_and_what_to_type() {
    let cache = tempfile::tempdir().unwrap();
    // Left by a build that was interrupted: nothing to boot.
    fs::create_dir_all(cache.path().join("host/packages")).unwrap();
    fs::write(cache.path().join("host/packages/xen.deb"), "half").unwrap();
    let said = |root: &Path, arguments: &[&str], cache: &Path| {
        let output = common::harness(root, arguments).env("STARDUST_CACHE", cache).output().unwrap();
        Ended::from(output).with(0).stdout
    };
    let checkout = Checkout::new();
    let first = said(checkout.root(), &[], cache.path());
    assert!(first.starts_with("Stardust: a unikernel for Xen, in eight stages\ntest host: not built yet\n"), "{first}");
    let last = "next: `cargo harness check stage1 --solution` builds the test host and shows that it works\n\
                `cargo harness --help` lists the commands\n";
    assert!(first.contains("  1a      not begun") && first.ends_with(last), "{first}");
    assert!(said(checkout.root(), &["doctor", "--quick"], cache.path()).contains("test host   not built yet"));
    fs::remove_dir_all(checkout.path("solutions")).unwrap();
    let next = "next: `cargo harness check stage1` builds the test host, and says that nothing is attempted yet";
    assert!(said(checkout.root(), &[], cache.path()).contains(next));
    // Here it was built, by this test's own machine if by nobody else.
    run(repository(), &["host", "build"]).with(0);
    let said = said(repository(), &[], &harness::cache::root().unwrap());
    assert!(said.contains("test host: ready\n") && !said.contains("builds the test host"), "{said}");
}

#[test]
fn a_reader_who_goes_away_is_no_error() {
    let checkout = Checkout::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for command in ["list", "next", "man"] {
        let status = common::harness(checkout.root(), &[command]).stdout(writer.try_clone().unwrap()).status();
        assert_eq!(status.unwrap().code(), Some(0), "{command}");
    }
}

#[test]
fn hints_go_deeper_one_by_one_and_stay() {
    let checkout = Checkout::new();
    let hints = |arguments: &[&str]| {
        let said = checkout.run(&[&["hint", "1b"][..], arguments].concat()).with(0).stdout;
        said.matches("\nhint ").count()
    };
    assert_eq!([hints(&[]), hints(&[]), hints(&["--more"]), hints(&[]), hints(&["--more"])], [1, 1, 2, 2, 3]);
    assert!(checkout.run(&["hint", "1b", "--more"]).stdout.contains("no further hint"));
    let stage = checkout.run(&["hint", "stage1"]).with(64).stderr;
    assert!(stage.contains("one of: 1a, 1b, 1c"), "{stage}");
}

#[test]
fn a_solution_is_shown_after_giving_up_which_is_remembered() {
    let checkout = Checkout::new();
    let refused = checkout.run(&["solution", "1a"]).with(64);
    assert!(refused.stderr.contains("--give-up") && refused.stdout.is_empty(), "{}", refused.stderr);
    let reference = fs::read_to_string(repository().join("solutions/stage1-console/ring.rs")).unwrap();
    assert_eq!(checkout.run(&["solution", "1a", "--give-up"]).with(0).stdout, reference);
    assert_eq!(checkout.run(&["solution", "1a"]).with(0).stdout, reference);
    let diff = checkout.run(&["solution", "1a", "--diff"]).with(0).stdout;
    assert!(diff.contains("+++ solutions/stage1-console/ring.rs"), "{diff}");
    assert!(checkout.run(&["next"]).stdout.starts_with("1b "), "an exercise given up is not asked for again");
    fs::remove_dir_all(checkout.path("solutions")).unwrap();
    assert!(checkout.run(&["solution", "1b"]).with(69).stderr.contains("comes without that solution"));
}

#[test]
fn reset_keeps_the_work_and_takes_the_starter_from_the_history() {
    let checkout = Checkout::new();
    let starter = fs::read_to_string(checkout.path(RING)).unwrap();
    for work in ["// first\n", "// second\n"] {
        fs::write(checkout.path(RING), work).unwrap();
        checkout.git(&["commit", "--quiet", "--all", "--message", "work"]);
        let said = checkout.run(&["reset", "1a"]).with(0).stdout;
        assert!(said.contains("your file is kept: .harness/backup/1a-ring-"), "{said}");
        assert_eq!(fs::read_to_string(checkout.path(RING)).unwrap(), starter);
    }
    assert_eq!(fs::read_to_string(checkout.path(".harness/backup/1a-ring-2.rs")).unwrap(), "// second\n");
    assert!(checkout.run(&["reset", "1a"]).with(0).stdout.contains("is the starter already"));
    fs::remove_dir_all(checkout.path(".git")).unwrap();
    fs::write(checkout.path(RING), "// third\n").unwrap();
    let said = checkout.run(&["reset", "1a"]).with(69).stderr;
    assert!(said.contains("next: take the starter's file from a fresh clone"), "{said}");
    assert_eq!(fs::read_to_string(checkout.path(RING)).unwrap(), "// third\n");
}

/// A checkout that says what it was given, as a handout does.
fn handout() -> Checkout {
    let checkout = Checkout::new();
    let root = checkout.root();
    let course = Course::load(root).unwrap();
    let files = checkout.git_says(&["ls-files"]);
    let files: Vec<_> = files.lines().map(Into::into).collect();
    Lock::make(&course, 1, &files).unwrap().write(root).unwrap();
    checkout
}

const LIB: &str = "stages/stage1-console/src/lib.rs";

#[test]
fn an_edited_given_file_is_a_broken_rule_and_can_be_put_back() {
    let checkout = handout();
    let given = fs::read_to_string(checkout.path(LIB)).unwrap();
    fs::write(checkout.path(LIB), format!("{given}// mine\n")).unwrap();
    let said = checkout.run(&["check", "1a"]).with(4).stderr;
    assert!(said.contains(&format!("edited: {LIB}")) && said.contains("reset --given"), "{said}");
    let doctor = checkout.run(&["doctor", "--quick"]).with(4).stdout;
    assert!(doctor.contains(&format!("given files edited: {LIB}")), "{doctor}");
    let said = checkout.run(&["reset", "--given"]).with(0).stdout;
    assert!(said.contains("yours is kept: .harness/backup/given-lib-1.rs"), "{said}");
    assert_eq!(fs::read_to_string(checkout.path(LIB)).unwrap(), given);
    assert!(checkout.run(&["reset", "--given"]).with(0).stdout.contains("every given file is as it was handed out"));
    let doctor = checkout.run(&["doctor", "--quick"]).with(0).stdout;
    assert!(doctor.contains("given files as handed out, for stage 1"), "{doctor}");
}

#[test]
fn without_a_history_the_starter_is_in_the_handout_and_given_files_are_not() {
    let checkout = handout();
    let starter = fs::read_to_string(checkout.path(RING)).unwrap();
    fs::remove_dir_all(checkout.path(".git")).unwrap();
    fs::write(checkout.path(RING), "// mine\n").unwrap();
    checkout.run(&["reset", "1a"]).with(0);
    assert_eq!(fs::read_to_string(checkout.path(RING)).unwrap(), starter);
    fs::write(checkout.path(LIB), "// mine\n").unwrap();
    let said = checkout.run(&["reset", "--given"]).with(69).stderr;
    assert!(said.contains(&format!("next: take {LIB} from a fresh clone")), "{said}");
    assert_eq!(fs::read_to_string(checkout.path(LIB)).unwrap(), "// mine\n");
}

#[test]
fn what_is_no_handout_knows_no_given_files() {
    let checkout = Checkout::new();
    let said = checkout.run(&["reset", "--given"]).with(64).stderr;
    assert!(said.contains("no handout"), "{said}");
    let doctor = checkout.run(&["doctor", "--quick"]).with(0).stdout;
    assert!(doctor.contains("given files not watched"), "{doctor}");
    checkout.run(&["reset"]).with(64);
}

#[test]
fn a_submission_holds_the_exercises_and_the_same_work_gives_the_same_bytes() {
    let checkout = Checkout::new();
    let said = checkout.run(&["submit", "stage1"]).with(0).stdout;
    assert!(said.contains(&format!("1a  not begun       {RING}")), "{said}");
    checkout.run(&["submit", "console", "--out", "again.zip"]).with(0);
    assert_eq!(fs::read(checkout.path("stage1-console.zip")).unwrap(), fs::read(checkout.path("again.zip")).unwrap());
    fs::write(checkout.path(RING), "include!(\"/etc/passwd\");\n").unwrap();
    let refused = checkout.run(&["submit", "stage1"]).with(4).stderr;
    assert!(refused.contains("breaks a rule in line 1: `include`"), "{refused}");
    fs::remove_file(checkout.path(RING)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", checkout.path(RING)).unwrap();
    assert!(checkout.run(&["submit", "stage1"]).with(4).stderr.contains("is no plain file"));
}

#[test]
fn a_broken_progress_file_costs_a_line_and_is_kept() {
    let checkout = Checkout::new();
    fs::create_dir(checkout.path(".harness")).unwrap();
    fs::write(checkout.path(".harness/progress.toml"), "<<<<<<< HEAD\n").unwrap();
    let said = checkout.run(&["list"]).with(0).stderr;
    assert!(said.contains("it is kept as .harness/backup/progress-1.toml"), "{said}");
    assert_eq!(checkout.run(&["list"]).with(0).stderr, "");
}

#[test]
fn a_stage_shows_what_it_adds() {
    let checkout = Checkout::new();
    let said = checkout.run(&["diff", "0", "1"]).with(0).stdout;
    assert!(said.contains("1a ring.rs "), "{said}");
    let said = checkout.run(&["diff", "1", "2"]).with(0).stdout;
    assert!(said.contains("2a ") && !said.contains("1a "), "{said}");
    assert!(checkout.run(&["diff", "1", "9"]).with(64).stderr.contains("there is no stage 9"));
    assert!(checkout.run(&["diff", "1", "1"]).with(64).stderr.contains("does not come after"));
}

#[test]
#[ignore = "long"]
fn a_check_is_remembered_until_its_file_changes() {
    let lab = Lab::starters();
    let _ = fs::remove_file(lab.root().join(".harness/progress.toml"));
    lab.solve("ring.rs");
    lab.run(&["check", "stage1"]).with(1);
    let state = |id: &str| {
        let said = lab.run(&["list"]).with(0).stdout;
        let line = said.lines().find(|line| line.trim_start().starts_with(id)).unwrap();
        line.split("  ").filter(|word| !word.is_empty()).nth(1).unwrap().trim().to_owned()
    };
    assert_eq!([state("1a"), state("1b"), state("1.live")], ["passed", "not begun", "not begun"]);
    let said = lab.run(&["list"]).stdout;
    assert!(said.contains("\n1 of ") && said.contains(" exercises, 30 of "), "{said}");
    assert!(lab.run(&["solution", "1a"]).with(0).stdout.contains("pub fn write"));
    lab.change("ring.rs", "pub fn write(", "\npub fn write(");
    assert_eq!(state("1a"), "stale");
    // What the reference earns is nobody's progress.
    lab.run(&["check", "stage1", "--solution"]).with(0);
    assert_eq!([state("1a"), state("1b")], ["stale", "not begun"]);
}

#[test]
#[ignore = "long"]
fn a_later_stage_stands_on_what_has_passed_or_on_whatever_is_asked_for() {
    let lab = Lab::starters();
    let _ = fs::remove_file(lab.root().join(".harness/progress.toml"));
    let file = "frame_allocator.rs";
    let reference = lab.root().join("solutions/stage2-memory").join(file);
    fs::copy(reference, lab.root().join("stages/stage2-memory/src").join(file)).unwrap();
    // How 2a ends, and the stages below of which the reference was taken; and whether that was told.
    let check = |base: &[&str]| {
        let ended = lab.run(&[&["check", "2a", "--format", "json"], base].concat());
        let results: serde_json::Value = serde_json::from_str(&ended.stdout).expect(&ended.stderr);
        let note = "of console the reference is taken, as yours hasn't passed (`--base mine`: yours)";
        let status = results["exercises"][0]["status"].as_str().unwrap().to_owned();
        (status, results["below"].to_string(), ended.stderr.contains(note))
    };
    let ends = |status: &str, below: &str, told: bool| (status.to_owned(), below.to_owned(), told);
    assert_eq!(check(&[]), ends("pass", "[\"console\"]", true));
    assert_eq!(check(&["--base", "reference"]), ends("pass", "[\"console\"]", false));
    // Checks come before the boot, so exercises stand by themselves; the whole stands on what hasn't been begun.
    assert_eq!(check(&["--base", "mine"]), ends("pass", "[]", false));
    let whole = lab.run(&["check", "stage2", "--solution", "--base", "mine"]).with(1).stdout;
    assert!(whole.contains("the live boot needs every exercise; not attempted: 1b"), "{whole}");
    assert!(
        whole.ends_with("next: `cargo harness next` says which exercise of the stages below comes first\n"),
        "{whole}"
    );
    for file in ["ring.rs", "start_info.rs", "hypercall.rs"] {
        lab.solve(file);
    }
    lab.run(&["check", "stage1"]).with(0);
    assert_eq!(check(&[]), ends("pass", "[]", false));
    // What has passed was another file.
    lab.change("ring.rs", "pub fn write(", "\npub fn write(");
    assert_eq!(check(&[]), ends("pass", "[\"console\"]", true));
}

#[test]
fn an_error_in_another_exercise_is_not_held_against_this_one() {
    let lab = Lab::solved();
    let _ = fs::remove_file(lab.root().join(".harness/progress.toml"));
    lab.change("ring.rs", "pub fn write(", "pub fn write((");
    let said = lab.run(&["check", "1b"]).with(2).stdout;
    assert!(said.contains("next: edit stages/stage1-console/src/ring.rs"), "{said}");
    let list = lab.run(&["list"]).stdout;
    assert!(list.contains("1b      begun") && list.contains("1a      begun"), "{list}");
}

#[test]
#[ignore = "long"]
fn reports_for_machines_come_beside_the_one_for_people() {
    let lab = Lab::starters();
    let summary = lab.root().join("summary.md");
    let _ = fs::remove_file(&summary);
    let arguments = ["check", "stage1", "--format", "github", "--format", "junit", "--out", "junit.xml"];
    let mut command = common::harness(lab.root(), &arguments);
    let ended = Ended::from(command.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap()).with(1);
    assert!(ended.stdout.starts_with("stage 1: Boot and console"), "{}", ended.stdout);
    let warning = format!("::warning file={RING},line=15,title=1a Write to the console ring::not attempted");
    assert!(ended.stdout.contains(&warning), "{}", ended.stdout);
    assert!(fs::read_to_string(summary).unwrap().starts_with("### stage1-console: 0 of 100 points"));
    let xml = fs::read_to_string(lab.root().join("junit.xml")).unwrap();
    assert!(xml.contains("failures=\"0\" errors=\"0\" skipped=\"18\""), "{xml}");
    let refused = lab.run(&["check", "stage1", "--format", "json", "--format", "junit"]).with(64).stderr;
    assert!(refused.contains("one report only can have the screen"), "{refused}");
}

#[test]
fn completions_and_the_manual_page_need_no_checkout() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(folder.path(), &["completions", shell]).with(0).stdout.contains("hint"), "{shell}");
    }
    assert!(run(folder.path(), &["man"]).with(0).stdout.contains("harness"));
    run(folder.path(), &["man", "--out", "pages"]).with(0);
    assert!(folder.path().join("pages/harness-check.1").is_file());
    run(folder.path(), &["completions", "tcsh"]).with(64);
}

/// A command under way, whose output is read line by line.
struct Underway {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Underway {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = common::harness(folder, arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).unwrap_or_default()
        });
        Self { child, lines }
    }

    fn type_line(&mut self, text: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    /// All lines up to one that holds `text`.
    #[track_caller]
    fn until(&mut self, text: &str) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(180)) {
                Ok(line) => said.push(line),
                Err(error) => panic!("{error}: no {text:?} in {said:#?}"),
            }
            if said.last().is_some_and(|line| line.contains(text)) {
                return said;
            }
        }
    }

    fn end(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        // A test that failed half-way leaves it running.
        let _ = self.child.kill();
    }
}

#[test]
#[ignore = "long"]
fn watch_checks_what_is_saved_and_answers_keys() {
    let lab = Lab::starters();
    let _ = fs::remove_file(lab.root().join(".harness/progress.toml"));
    lab.hand_out();
    let mut watch = Underway::start(lab.root(), &["watch", "stage1"]);
    watch.until("q quit");
    lab.solve("ring.rs");
    let said = watch.until("q quit").join("\n");
    assert!(said.contains("30 of 30 points") && said.contains("watching 1a: 1 of "), "{said}");
    let next = "next: edit stages/stage1-console/src/start_info.rs, then `cargo harness check 1b`";
    assert!(said.contains(next), "{said}");
    // A remark at the end is no other image.
    let path = lab.root().join(RING);
    let solved = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{solved}// a remark\n")).unwrap();
    watch.until("the image is the one that was checked before");
    watch.until("q quit");
    lab.change("ring.rs", "pub fn write(", "pub fn write((");
    watch.until("unclosed delimiter");
    watch.until("q quit");
    watch.type_line("next");
    // It was checked as it is now.
    let said = watch.until("q quit").join("\n");
    assert!(said.contains("1a Write to the console ring [does not compile]"), "{said}");
    watch.type_line("hint");
    watch.until("hint 1 of 3");
    watch.type_line("hint");
    watch.until("hint 2 of 3");
    watch.type_line("list");
    watch.until("1.live");
    watch.type_line("diff");
    watch.until("+pub fn write((");
    watch.type_line("x");
    watch.until("reset 1a to its starter?");
    watch.type_line("no");
    watch.until("nothing was reset");
    watch.type_line("x");
    watch.until("reset 1a to its starter?");
    watch.type_line("y");
    watch.until("your file is kept: .harness/backup/1a-ring-");
    watch.until("q quit");
    watch.type_line("q");
    assert_eq!(watch.end(), Some(0));
    // Input that has ended ends a watch too.
    assert_eq!(Underway::start(lab.root(), &["watch", "1b"]).end(), Some(0));
}
