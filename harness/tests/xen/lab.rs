//! `harness check`, as a student meets it: work not begun, right, wrong in different ways, and not even Rust.

use crate::common::{GIVEN_LINE, Lab, app, repository, run};
use crate::machine::until;
use harness::check::{Bench, Request, check_on};
use harness::work::Work;
use serde_json::Value;

/// The report of a check without the lines about this one run.
fn steady(report: &str) -> String {
    let lines = report.lines().filter(|line| !line.starts_with("image ") && !line.starts_with("console: "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A stage gets more host tests now and then, which is no matter of its report.
const TESTS: (&str, &str) = (r"host tests: \d+ passed", "host tests: [number] passed");

macro_rules! assert_report {
    ($name:expr, $ended:expr) => {
        insta::with_settings!({
            snapshot_path => "../../snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
            filters => vec![(r"0x[0-9a-f]+", "[number]"), (GIVEN_LINE, "$1:[line]"), TESTS],
        }, { insta::assert_snapshot!($name, steady(&$ended.stdout)) })
    };
}

/// One stage at a time: its reference passes, and the console that it leaves is the stage's snapshot.
#[test]
fn the_references_pass_and_their_consoles_are_the_snapshots() {
    let course = harness::course::Course::load(repository()).unwrap();
    for stage in &course.stages {
        let number = stage.number;
        let ended = run(repository(), &["check", &stage.package, "--solution"]).with(0);
        assert_report!(format!("report-reference-stage{number}"), ended);
        let log = std::fs::read_to_string(repository().join(format!(".harness/stage{number}.log"))).unwrap();
        let text = harness::check::live::steady(&log).unwrap();
        insta::with_settings!({
            snapshot_path => "../../snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
            description => format!("The console of stage {number}'s reference under check."),
        }, { insta::assert_snapshot!(format!("stage{number}"), text) });
    }
}

#[test]
fn untouched_starters_are_not_attempted_and_nothing_else() {
    let ended = Lab::starters().run(&["check", "stage1"]).with(1);
    assert_report!("report-starters", ended);
}

/// Xen keeps what has crashed, for a look at its memory; the next guest on the same test host would pay for it.
#[test]
fn no_guest_outlives_its_check() {
    let app = app();
    let stage = app.course.select("stage1").unwrap().stage;
    let mut bench = Bench::new(&app, 3.0);
    let work = Work::on_references(&app.course, stage);
    let starters = Request { keep_going: true, host_tests: false, ..Request::new(stage, work) };
    assert_eq!(check_on(&mut bench, &starters).unwrap().exit(), 1);
    let agent = bench.machine().unwrap().agent();
    let domains = || String::from_utf8(agent.exec(&["xl", "list"], b"").unwrap().stdout).unwrap();
    until(|| domains().lines().count() == 2);
}

#[test]
fn one_exercise_of_three_earns_its_points() {
    let lab = Lab::starters();
    lab.solve("ring.rs");
    let ended = lab.run(&["check", "stage1", "--format", "json"]).with(1);
    let results: Value = serde_json::from_str(&ended.stdout).unwrap();
    let status = |index: usize| results["exercises"][index]["status"].as_str().unwrap().to_owned();
    assert_eq!([status(0), status(1), status(2)], ["pass", "not_attempted", "not_attempted"]);
    assert_eq!(results["totals"]["points"], 30);
    assert_eq!(results["integration"]["status"], "blocked");
}

#[test]
fn right_work_gets_full_marks() {
    let lab = Lab::solved();
    let ended = lab.run(&["check", "stage1", "--format", "json", "--out", "results.json"]).with(0);
    assert!(ended.stdout.contains("100 of 100 points"), "{}", ended.stdout);
    let text = std::fs::read_to_string(lab.root().join("results.json")).unwrap();
    let results: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&results["schema"], &results["mode"]), (&Value::from(1), &Value::from("mine")));
    assert_eq!(results["totals"]["points"], results["totals"]["max"]);
    assert_eq!((&results["error"], &results["exercises"][1]["log"]), (&Value::Null, &".harness/stage1.log".into()));
    assert!(results["exercises"][1]["ms"].is_u64(), "{text}");
}

#[test]
fn a_wrong_answer_is_shown_with_what_was_expected() {
    let lab = Lab::solved();
    // One byte too many fits.
    lab.change("ring.rs", "OUT_SIZE.saturating_sub(used)", "(OUT_SIZE + 1).saturating_sub(used)");
    let ended = lab.run(&["check", "stage1", "--seed", "7", "--keep-going"]).with(1);
    assert_report!("report-wrong", ended);
}

#[test]
#[ignore = "long"]
fn a_failed_host_test_stops_its_own_exercise_and_no_other() {
    let lab = Lab::solved();
    lab.change("ring.rs", "OUT_SIZE.saturating_sub(used)", "(OUT_SIZE + 1).saturating_sub(used)");
    assert_report!("report-host-test", lab.run(&["check", "stage1", "--seed", "7"]).with(1));
    let alone = lab.run(&["check", "1a", "--seed", "7"]).with(1).stdout;
    assert!(alone.contains("FAIL host tests: 4 passed, 1 failed") && !alone.contains("1b"), "{alone}");
    let other = lab.run(&["check", "1b"]).with(0).stdout;
    assert!(other.contains("ok   host tests: 5 passed") && other.contains("30 of 30 points"), "{other}");
}

#[test]
#[ignore = "long"]
fn waiting_for_another_cargo_is_no_slowness_of_the_tests() {
    let lab = Lab::solved();
    lab.change("ring.rs", "OUT_SIZE.saturating_sub(used)", "(OUT_SIZE + 1).saturating_sub(used)");
    lab.run(&["check", "1a"]).with(1);
    let file = std::fs::File::open(lab.root().join("target/host/debug/.cargo-lock")).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let free = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(8));
        drop(file);
    });
    // The tests have 6 seconds, and what is wrong is found before anything is booted.
    let said = lab.run(&["check", "1a", "--timeout-scale", "0.1"]).with(1).stdout;
    assert!(said.contains("FAIL host tests: 4 passed, 1 failed"), "{said}");
    free.join().unwrap();
}

#[test]
fn a_host_test_that_takes_the_process_along_has_failed() {
    let lab = Lab::solved();
    lab.change(
        "start_info.rs",
        "pub fn next_token(",
        "pub fn endless(n: u64) -> u64 {\n    core::hint::black_box(n) + endless(n + 1)\n}\n\npub fn next_token(",
    );
    lab.change(
        "start_info.rs",
        "let page: &[u8; START_INFO_SIZE] = page",
        "endless(page.len() as u64);\n    let page: &[u8; START_INFO_SIZE] = page",
    );
    let said = lab.run(&["check", "stage1"]).with(3).stdout;
    assert!(said.contains("has overflowed its stack") && said.contains("     tests::start_info::"), "{said}");
    assert!(said.contains("then `cargo harness check 1b`"), "{said}");
}

#[test]
fn a_panic_costs_its_own_exercise_and_names_its_line() {
    let lab = Lab::solved();
    lab.change(
        "start_info.rs",
        "page.first_chunk().ok_or(StartInfoError::TooShort(page.len()))?",
        "page[..START_INFO_SIZE].try_into().map_err(|_| StartInfoError::BadMagic)?",
    );
    let ended = lab.run(&["check", "stage1", "--seed", "7", "--keep-going"]).with(3);
    assert_report!("report-panic", ended);
}

#[test]
#[ignore = "long"]
fn a_loop_that_never_ends_is_a_timeout_and_the_rest_is_checked() {
    let lab = Lab::solved();
    lab.change("ring.rs", "    ring.publish(next);", "    while ring.producer() != next {}\n    ring.publish(next);");
    let arguments = ["check", "stage1", "--keep-going", "--timeout-scale", "0.4", "--format", "json"];
    let ended = lab.run(&arguments).with(3);
    let results: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(results["exercises"][0]["status"], "timeout");
    assert_eq!(results["exercises"][2]["status"], "pass");
}

#[test]
#[ignore = "long"]
fn a_fault_is_decoded_to_function_and_line() {
    let lab = Lab::solved();
    lab.change("hypercall.rs", "\"syscall\",", "\"syscall\", \"ud2\",");
    let ended = lab.run(&["check", "1c", "--keep-going"]).with(3);
    assert!(ended.stdout.contains("stages/stage1-console/src/hypercall.rs:"), "{}", ended.stdout);
    assert!(ended.stdout.contains("[crash]"), "{}", ended.stdout);
}

#[test]
fn what_a_rule_forbids_is_named_and_nothing_is_compiled() {
    let lab = Lab::solved();
    lab.change("ring.rs", "pub fn write", "#[unsafe(no_mangle)]\npub fn write");
    let ended = lab.run(&["check", "stage1"]).with(4);
    assert!(ended.stdout.contains("`no_mangle` may not be used in an exercise"), "{}", ended.stdout);
    // Where the reference stands in for it, the rest is checked, and it is still to be done.
    let said = lab.run(&["check", "stage1", "--solution=1a"]).with(0).stdout;
    let next = "next: edit stages/stage1-console/src/ring.rs, then `cargo harness check 1a`\n";
    assert!(said.contains("\n60 of 100 points\n") && said.ends_with(next), "{said}");
    lab.change("hypercall.rs", "\"syscall\",", "\"int3\", \"syscall\",");
    lab.solve("ring.rs");
    let said = lab.run(&["check", "stage1"]).with(4).stdout;
    assert!(
        said.ends_with("next: remove what the rule forbids from stages/stage1-console/src/hypercall.rs\n"),
        "{said}"
    );
}

#[test]
fn an_image_that_is_not_sound_is_told_and_written() {
    let lab = Lab::solved();
    // One of the few functions of `core` that were compiled with a red zone.
    let text = "let magic = page.strip_prefix(MAGIC.as_bytes());";
    let last = "if char::from(page[0]).to_uppercase().last() == Some('A') { return Err(StartInfoError::BadMagic); }";
    lab.change("start_info.rs", text, &format!("{text}\n    {last}"));
    let ended = lab.run(&["check", "stage1", "--format", "json", "--out", "results.json"]).with(2);
    assert!(ended.stderr.contains("red zone: <core::char::ToUppercase"), "{}", ended.stderr);
    let text = std::fs::read_to_string(lab.root().join("results.json")).unwrap();
    let results: Value = serde_json::from_str(&text).unwrap();
    assert!(results["error"].as_str().unwrap().contains("red zone: <core::char::ToUppercase"), "{text}");
    assert_eq!(results["exercises"][1]["checks"][0]["status"], "build");
}

#[test]
fn a_syntax_error_comes_in_rustcs_own_words() {
    let lab = Lab::solved();
    lab.change("ring.rs", "pub fn write(", "pub fn write((");
    let ended = lab.run(&["check", "stage1"]).with(2);
    assert!(ended.stdout.contains("stages/stage1-console/src/ring.rs:"), "{}", ended.stdout);
    assert!(ended.stdout.contains("error"), "{}", ended.stdout);
}

#[test]
fn a_changed_signature_is_an_error_of_the_exercise() {
    let lab = Lab::solved();
    lab.change("ring.rs", "bytes: &[u8]) -> usize", "bytes: &[u8]) -> u8");
    let ended = lab.run(&["check", "stage1"]).with(2);
    assert!(ended.stdout.contains("mismatched types"), "{}", ended.stdout);
}

#[test]
fn unknown_names_get_the_nearest_and_status_64() {
    let said = |selector: &str| run(repository(), &["check", selector]).with(64).stderr;
    assert!(said("stgae1").contains("did you mean `stage1`?"));
    assert!(said("1d").contains("did you mean `1"));
    let ended = run(repository(), &["check", "stage1", "--solution=1x"]).with(64);
    assert!(ended.stderr.contains("there is no exercise in stage 1 called `1x`"), "{}", ended.stderr);
    run(repository(), &["chekc"]).with(64);
}
