//! `harness grade` on classes with everything that a class can have in it.

use crate::common::{Ended, harness, repository, run};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A class of stage 1, and where its grades go.
struct Class {
    folder: TempDir,
}

const FILES: [&str; 3] = ["ring.rs", "start_info.rs", "hypercall.rs"];

impl Class {
    fn new() -> Self {
        let class = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(class.submissions()).unwrap();
        class
    }

    fn submissions(&self) -> PathBuf {
        self.folder.path().join("class")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("grades")
    }

    /// Hands in a zip with the references, edited.
    fn hand_in(&self, name: impl AsRef<OsStr>, edits: &[(&str, &str, &str)]) {
        let files = FILES.map(|file| {
            let path = repository().join("solutions/stage1-console").join(file);
            let mut text = fs::read_to_string(path).unwrap();
            for (_, from, to) in edits.iter().filter(|(edited, ..)| *edited == file) {
                assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}");
                text = text.replace(from, to);
            }
            (file, text)
        });
        self.put(name, &files);
    }

    fn put(&self, name: impl AsRef<OsStr>, files: &[(&str, String)]) {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        fs::write(self.submissions().join(name.as_ref()), zip.finish().unwrap().into_inner()).unwrap();
    }

    fn arguments<'a>(&'a self, from: &'a Path, more: &[&'a str]) -> Vec<String> {
        let mut arguments = vec!["grade".to_owned(), from.display().to_string(), "--out".to_owned()];
        arguments.push(self.out().display().to_string());
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        arguments
    }

    fn grade_from(&self, from: &Path, more: &[&str]) -> Ended {
        let arguments = self.arguments(from, more);
        run(repository(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn grade(&self, more: &[&str]) -> Ended {
        self.grade_from(&self.submissions(), more)
    }

    /// The rows of grades.csv: outcome and points of each student.
    fn table(&self) -> BTreeMap<String, (String, String)> {
        let text = fs::read_to_string(self.out().join("grades.csv")).unwrap();
        let rows = text.lines().skip(1).map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells[0].to_owned(), (cells[2].to_owned(), cells[3].to_owned()))
        });
        rows.collect()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.out().join(file)).unwrap()
    }

    /// When each mark was found.
    fn times(&self) -> BTreeMap<String, SystemTime> {
        let reports = fs::read_dir(self.out().join("reports")).unwrap();
        let times = reports.map(|entry| {
            let path = entry.unwrap().path();
            let time = fs::metadata(path.join("results.json")).unwrap().modified().unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), time)
        });
        times.collect()
    }
}

const ONE_TOO_MANY: (&str, &str, &str) =
    ("ring.rs", "OUT_SIZE.saturating_sub(used)", "(OUT_SIZE + 1).saturating_sub(used)");

#[test]
fn a_class_is_graded_whatever_is_in_it_and_only_once() {
    let class = Class::new();
    class.hand_in("anna.zip", &[]);
    // Of two names that are no UTF-8 each is a student, and two of the same name are nobody's.
    class.hand_in(OsStr::from_bytes(b"J\xf6rg.zip"), &[ONE_TOO_MANY]);
    class.put(OsStr::from_bytes(b"J\xe4rg.zip"), &[]);
    class.put("twice.zip", &[]);
    fs::create_dir(class.submissions().join("twice")).unwrap();
    class.put("empty.zip", &[]);
    class.put("other.zip", &[("submission.toml", "stage = 'stage5-xenbus'".into()), ("ring.rs", String::new())]);
    fs::write(class.submissions().join("noise.zip"), "no zip").unwrap();
    std::os::unix::fs::symlink("/etc", class.submissions().join("link")).unwrap();
    class.put("bomb.zip", &[("ring.rs", "\0".repeat(64 << 20))]);
    let ended = class.grade(&["--stage", "stage1", "--jobs", "2"]).with(1);
    assert!(ended.stdout.starts_with("3 graded, 6 refused, 0 not graded"), "{}", ended.stdout);
    assert!(ended.stderr.contains("anna: 100 of 100 points"), "{}", ended.stderr);
    let table = class.table();
    let points = |student: &str| (table[student].0.as_str(), table[student].1.as_str());
    assert_eq!(points("anna"), ("graded", "100"));
    assert_eq!(points("J\\xf6rg").0, "graded");
    assert!((70..90).contains(&points("J\\xf6rg").1.parse().unwrap()), "{table:?}");
    assert_eq!(points("bomb"), ("graded", "0"));
    for student in ["empty", "other", "noise", "link", "twice", "J\\xe4rg"] {
        assert_eq!(points(student), ("refused", ""));
    }
    let overview = class.read("class.md");
    for said in [
        "- empty: empty.zip is empty",
        "- other: other.zip was handed in for stage5-xenbus, not for stage1-console",
        "- noise: noise.zip cannot be read as a zip",
        "- link: link is neither a folder nor a plain file",
        "- twice: there are several submissions: twice, twice.zip; keep the one that counts",
        "| 1a.full | a full ring takes what fits, and no more | 67 % |",
    ] {
        assert!(overview.contains(said), "{said}\n{overview}");
    }
    assert!(class.read("reports/anna/report.md").contains("100 of 100 points"));
    assert!(class.read("logs/anna.log").contains("Stardust stage 1: console"));

    // Nothing is done again but what has changed.
    let before = class.times();
    class.hand_in("anna.zip", &[("hypercall.rs", "\"syscall\",", "\"nop\", \"syscall\",")]);
    class.grade(&["--stage", "stage1"]).with(1);
    let after = class.times();
    let changed: Vec<&String> =
        after.iter().filter(|(name, time)| before[*name] != **time).map(|(name, _)| name).collect();
    assert_eq!(changed, ["anna"]);
    assert_eq!(class.table()["anna"].1, "100");
}

#[test]
fn an_entry_that_may_not_be_read_is_refused_and_the_rest_graded() {
    let class = Class::new();
    class.hand_in("anna.zip", &[]);
    class.put("locked.zip", &[]);
    fs::create_dir(class.submissions().join("shut")).unwrap();
    for locked in ["locked.zip", "shut"] {
        fs::set_permissions(class.submissions().join(locked), fs::Permissions::from_mode(0o0)).unwrap();
    }
    let arguments = class.arguments(&class.submissions(), &["--stage", "stage1"]);
    let mut command = harness(repository(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    if rustix::process::geteuid().is_root() {
        // What opens every file to root.
        let harness = command;
        command = Command::new("setpriv");
        command.args(["--bounding-set", "-dac_override,-dac_read_search"]).arg(harness.get_program());
        command.args(harness.get_args()).current_dir(repository()).stdin(Stdio::null());
    }
    let ended = Ended::from(command.output().unwrap()).with(1);
    assert!(ended.stdout.starts_with("1 graded, 2 refused, 0 not graded"), "{}", ended.stdout);
    assert_eq!(class.table()["anna"], ("graded".into(), "100".into()));
    for locked in ["locked", "shut"] {
        assert!(ended.stdout.contains(&format!("{locked}: not graded: ")), "{}", ended.stdout);
    }
    assert_eq!(ended.stdout.matches("Permission denied").count(), 2, "{}", ended.stdout);
    // So that the folder can be removed by whoever may not read it.
    fs::set_permissions(class.submissions().join("shut"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn an_interrupted_class_goes_on_and_pieces_fit_together() {
    let class = Class::new();
    class.hand_in("anna.zip", &[]);
    class.hand_in("bert.zip", &[ONE_TOO_MANY]);
    let arguments = class.arguments(&class.submissions(), &["--jobs", "1", "--seed", "7"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = harness(repository(), &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    assert!(said.lines().map_while(Result::ok).any(|line| line.starts_with("anna: ")), "anna is not graded");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let before = class.times();
    assert_eq!(before.keys().collect::<Vec<_>>(), ["anna"]);
    // What a job of CI does for one student, and then what puts them together.
    assert!(class.grade(&["--only", "bert", "--seed", "7"]).with(0).stdout.starts_with("1 graded"));
    assert!(class.grade(&["--only", "carl"]).with(64).stderr.contains("there is no entry called `carl`"));
    let both = class.times();
    class.grade(&["--seed", "7"]).with(0);
    assert_eq!((both["anna"], &class.times()), (before["anna"], &both));
    assert_eq!(class.table()["anna"], ("graded".into(), "100".into()));
}

#[test]
#[ignore = "long"]
fn hidden_checks_count_and_are_not_shown() {
    let class = Class::new();
    let text = "let page: &[u8; START_INFO_SIZE] = page.first_chunk()";
    let first = format!("if page.is_empty() {{ return Err(StartInfoError::BadMagic) }}\n    {text}");
    class.hand_in("anna.zip", &[("start_info.rs", text, &first)]);
    let hidden = repository().join("harness/tests/corpus/hidden");
    class.grade(&["--hidden", &hidden.display().to_string()]).with(0);
    assert_eq!(class.table()["anna"], ("graded".into(), "102".into()));
    let results = class.read("reports/anna/results.json");
    let report = class.read("reports/anna/report.md");
    assert!(report.contains("FAIL 1b.nothing") && report.contains("ok   1b.lone"), "{report}");
    for secret in ["no bytes", "no page at all", "bad_magic", "one word", "lone\","] {
        assert!(!report.contains(secret), "{secret}: {report}");
    }
    assert!(!results.contains("no page at all") && !results.contains("bad_magic"), "{results}");
    // The instructor reads all of it.
    assert!(class.read("logs/anna.json").contains("no page at all"));
    assert!(class.read("class.md").contains("1b.nothing (100 % failed it): a page of no bytes is too short"));

    // What the references do not pass is a mistake of the check.
    let own = class.folder.path().join("hidden/stage1-console");
    fs::create_dir_all(&own).unwrap();
    let from = |file: &str| fs::read_to_string(hidden.join("stage1-console").join(file)).unwrap();
    fs::write(own.join("hidden.rs"), from("hidden.rs")).unwrap();
    fs::write(own.join("hidden.toml"), from("hidden.toml").replace("too_short", "too_long")).unwrap();
    let arguments = ["--hidden".to_owned(), class.folder.path().join("hidden").display().to_string()];
    let said = class.grade(&arguments.each_ref().map(String::as_str)).with(64).stderr;
    assert!(said.contains("the references do not pass the hidden check 1b.nothing"), "{said}");
    fs::write(own.join("hidden.rs"), "pub fn run(_: &console::bedrock::Reporter) { nonsense() }").unwrap();
    let said = class.grade(&arguments.each_ref().map(String::as_str)).with(64).stderr;
    assert!(said.contains("the references do not pass") && said.contains("nonsense"), "{said}");
}

#[test]
#[ignore = "long"]
fn a_test_host_that_dies_costs_nobody_a_point() {
    let class = Class::new();
    class.hand_in(
        "anna.zip",
        &[(
            "ring.rs",
            "    ring.publish(next);",
            "    while bytes.starts_with(b\"live: \") {}\n    ring.publish(next);",
        )],
    );
    let arguments = class.arguments(&class.submissions(), &["--jobs", "1", "--timeout-scale", "0.5"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = harness(repository(), &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // One that stays, unlike one that only tells its version: the guest hangs in its live part for long enough.
    let mut seen = (0, Instant::now());
    while seen.0 == 0 || seen.1.elapsed() < Duration::from_secs(2) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its test host could be killed");
        let qemu = crate::faults::qemu_of(child.id()).unwrap_or(0);
        if qemu != seen.0 {
            seen = (qemu, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let qemu = seen.0;
    kill_process(Pid::from_raw(i32::try_from(qemu).unwrap()).unwrap(), Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(class.table()["anna"], ("graded".into(), "90".into()));
}

#[test]
fn what_is_no_submission_is_refused_with_a_sentence() {
    let class = Class::new();
    class.put("empty.zip", &[]);
    class.put("other.zip", &[("stages/stage5-xenbus/src/wire.rs", String::new())]);
    class.put("out.zip", &[("../ring.rs", String::new())]);
    for (name, reason) in [
        ("empty.zip", "empty.zip is empty"),
        ("other.zip", "was handed in for stage5-xenbus, not for stage1-console"),
        ("out.zip", "holds a path that leads out of it: ../ring.rs"),
    ] {
        let path = class.submissions().join(name).display().to_string();
        let said = run(repository(), &["check", "stage1", "--from", &path]).with(4).stderr;
        assert!(said.contains(reason) && said.contains("next: hand in the zip that"), "{said}");
    }
    let said = run(repository(), &["check", "stage1", "--from", "/nowhere.zip"]).with(64).stderr;
    assert!(said.contains("there is no submission at /nowhere.zip"), "{said}");
}

#[test]
fn a_roster_names_who_handed_in_nothing_and_its_mistakes_have_a_line() {
    let class = Class::new();
    class.put("anna.zip", &[("ring.rs", "fn".into())]);
    let roster = class.folder.path().join("roster.csv");
    fs::write(&roster, "student;submission\nAnna;class/anna.zip\nBert;\nCarl;class/carl.zip\n").unwrap();
    let ended = class.grade_from(&roster, &["--stage", "stage1"]).with(1);
    assert!(ended.stdout.starts_with("2 graded, 1 refused"), "{}", ended.stdout);
    assert_eq!(class.table()["Bert"], ("missing".into(), "0".into()));
    assert_eq!(class.table()["Carl"], ("refused".into(), String::new()));
    fs::write(&roster, "student;submission\nAnna;class/anna.zip\nAnna;\n").unwrap();
    let said = class.grade_from(&roster, &["--stage", "stage1"]).with(64).stderr;
    assert!(said.contains("roster.csv: line 3: Anna is in line 2 already"), "{said}");
    let said = class.grade_from(Path::new("/nowhere"), &[]).with(64).stderr;
    assert!(said.contains("there is no class at /nowhere"), "{said}");
    assert!(class.grade(&["--stage", "1a"]).with(64).stderr.contains("a stage is graded as a whole"));
}
