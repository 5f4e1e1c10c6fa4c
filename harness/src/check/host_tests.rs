//! Tier 2: the stage's own tests, on this machine.
//!
//! They answer in a second and show a mistake more closely than a booted guest can. They are feedback and
//! never points: the code under test runs in the process that judges it.
//!
//! Cargo only builds them. What is timed is the tests alone, neither the compiler nor the wait for another cargo.

use super::results::{FailedTest, HostTests, Status};
use crate::course::{Exercise, Stage};
use crate::error::{Error, Kind, Result};
use crate::guest::diagnostics::Outcome;
use crate::process::{self, Finished};
use crate::toolchain;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What `lab_todo!` says in a host build.
const NOT_ATTEMPTED: &str = "is not attempted yet";

/// Runs the library tests of a stage with these features: those about `exercises`, or all where none is named. Each of
/// the two steps, building and running, has its limit. `None` where there is no such test.
///
/// A test that only meets an exercise nobody has begun does not count as failed.
pub fn run(
    root: &Path,
    stage: &Stage,
    features: &[String],
    exercises: &[&Exercise],
    [building, running]: [Duration; 2],
) -> Result<Option<HostTests>> {
    let program = match build(root, stage, features, building)? {
        Ok(program) => program,
        Err(message) => {
            let name = "the tests do not compile".to_owned();
            let failed = vec![FailedTest { name, exercise: None, message }];
            return Ok(Some(HostTests { status: Status::Build, passed: 0, failed }));
        }
    };
    let mut command = Command::new(program);
    command.current_dir(root.join("stages").join(&stage.package));
    command.args(exercises.iter().map(|exercise| exercise.host_tests()));
    // One at a time, each named before it begins: so the one that never ends, or takes the process along, has a name.
    command.args(["--test-threads", "1", "--format", "pretty", "--color", "never"]);
    // A backtrace of this machine's standard library says nothing about the exercise.
    command.env("RUST_BACKTRACE", "0");
    let finished = process::run(command, running)?;
    let mut tests = judge(&finished, running);
    for test in &mut tests.failed {
        test.exercise = owner(stage, &test.name).map(|exercise| exercise.id.clone());
    }
    Ok(Some(tests).filter(|tests| tests.passed > 0 || !tests.failed.is_empty() || exercises.is_empty()))
}

/// The program with the tests in it, or why there is none in the compiler's words.
fn build(
    root: &Path,
    stage: &Stage,
    features: &[String],
    limit: Duration,
) -> Result<std::result::Result<PathBuf, String>> {
    let mut cargo = toolchain::cargo(root);
    cargo
        .args(["test", "--no-run", "--quiet", "--package", &stage.package, "--lib", "--target-dir", "target/host"])
        .args(["--features", &features.join(","), "--message-format", "json-render-diagnostics"]);
    let finished = process::run(cargo, limit)?;
    if finished.status.is_none() {
        let text = format!("the host tests did not finish compiling within {} s", limit.as_secs());
        return Err(Error::new(Kind::Build, text).next("look for a loop in a `const` that never ends"));
    }
    if !finished.success() {
        return Ok(Err(crate::tail(&finished.stderr, 40)));
    }
    let mut outcome = Outcome::new();
    finished.stdout.lines().for_each(|line| outcome.line(line));
    let none = || Error::fault(format!("cargo built the tests of {} but linked no program", stage.package));
    outcome.executable.ok_or_else(none).map(Ok)
}

/// The exercise that a test is about.
fn owner<'a>(stage: &'a Stage, test: &str) -> Option<&'a Exercise> {
    stage.lab.exercises.iter().find(|exercise| test.starts_with(&exercise.host_tests()))
}

fn judge(finished: &Finished, limit: Duration) -> HostTests {
    let mut tests = parse(&finished.stdout);
    let stopped = |why: String| {
        let name = under_way(&finished.stdout).unwrap_or("host tests").to_owned();
        let said = crate::tail(finished.stderr.trim(), 10);
        FailedTest { name, exercise: None, message: format!("{why}\n{said}").trim_end().to_owned() }
    };
    let Some(status) = finished.status else {
        tests.failed.push(stopped(format!("it did not end within {:.0} s", limit.as_secs_f64())));
        tests.status = Status::Timeout;
        return tests;
    };
    // The test runner's last word is missing where a test took the whole process with it, in whatever way.
    if !finished.stdout.contains("\ntest result: ") {
        let how = match status.signal() {
            Some(signal) => format!("by signal {signal}"),
            None => format!("with status {}", status.code().unwrap_or_default()),
        };
        tests.failed.push(stopped(format!("it ended the whole process, {how}")));
        tests.status = Status::Crash;
    }
    tests
}

fn parse(output: &str) -> HostTests {
    let mut passed = 0;
    let mut failed = Vec::new();
    for line in output.lines() {
        match line.strip_prefix("test ").and_then(|line| line.rsplit_once(" ... ")) {
            Some((_, "ok")) => passed += 1,
            Some((name, "FAILED")) => {
                let message = said(output, name.trim_end_matches(" - should panic"));
                if !message.contains(NOT_ATTEMPTED) {
                    failed.push(FailedTest { name: name.to_owned(), exercise: None, message });
                }
            }
            _ => {}
        }
    }
    let status = if failed.is_empty() { Status::Pass } else { Status::Fail };
    HostTests { status, passed, failed }
}

/// What a failed test printed, without the frame that the test runner puts around it.
fn said(output: &str, name: &str) -> String {
    let start = format!("---- {name} stdout ----\n");
    let Some((_, rest)) = output.split_once(&start) else { return String::new() };
    let end = rest.find("\n---- ").or_else(|| rest.find("\n\nfailures:")).unwrap_or(rest.len());
    let lines = rest[..end].lines().filter(|line| !line.is_empty() && !line.starts_with("note: run with"));
    let place = |line: &str| match line.split_once(" panicked at ") {
        Some((thread, place)) if thread.starts_with("thread ") => place.trim_end_matches(':').to_owned(),
        _ => line.to_owned(),
    };
    lines.map(place).collect::<Vec<_>>().join("\n")
}

/// The test that had begun and not ended.
fn under_way(output: &str) -> Option<&str> {
    let line = output.lines().rev().find(|line| line.starts_with("test "))?;
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    (result != "ok" && result != "FAILED").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;
    use std::process::ExitStatus;

    const OUTPUT: &str = "
running 3 tests
test tests::ring_fits ... ok
test tests::ring_wraps ... FAILED
test tests::start_info_magic ... FAILED

failures:

---- tests::ring_wraps stdout ----

thread 'tests::ring_wraps' (7) panicked at stages/stage1-console/src/tests.rs:31:5:
assertion `left == right` failed
  left: 3
 right: 4
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

---- tests::start_info_magic stdout ----

thread 'tests::start_info_magic' (8) panicked at stages/stage1-console/src/start_info.rs:20:5:
exercise 1b is not attempted yet

failures:
    tests::ring_wraps

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn finished(status: Option<i32>, stdout: &str, stderr: &str) -> Finished {
        Finished { status: status.map(ExitStatus::from_raw), stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn a_failure_keeps_its_words_and_an_untouched_exercise_is_none() {
        let tests = judge(&finished(Some(101 << 8), OUTPUT, ""), Duration::from_secs(1));
        assert_eq!((tests.passed, tests.failed.len(), tests.status), (1, 1, Status::Fail));
        assert_eq!(tests.failed[0].name, "tests::ring_wraps");
        let message = "stages/stage1-console/src/tests.rs:31:5\nassertion `left == right` failed\n  left: 3\n right: 4";
        assert_eq!(tests.failed[0].message, message);
    }

    #[test]
    fn a_test_that_takes_the_process_along_is_a_crash_and_has_a_name() {
        const BEGUN: &str = "\nrunning 3 tests\ntest tests::ring::fits ... ok\ntest tests::ring::wraps ... ";
        let overflow = "thread 'tests::ring::wraps' (9) has overflowed its stack\nfatal runtime error: stack overflow";
        for (status, how) in [(6, "by signal 6"), (0, "with status 0"), (3 << 8, "with status 3")] {
            let tests = judge(&finished(Some(status), BEGUN, overflow), Duration::from_secs(1));
            assert_eq!(
                (tests.status, tests.passed, tests.failed[0].name.as_str()),
                (Status::Crash, 1, "tests::ring::wraps")
            );
            let message = &tests.failed[0].message;
            assert!(message.contains(how) && message.contains("overflowed its stack"), "{message}");
        }
        let tests = judge(&finished(None, BEGUN, ""), Duration::from_secs(7));
        assert_eq!((tests.status, tests.failed[0].name.as_str()), (Status::Timeout, "tests::ring::wraps"));
        assert_eq!(tests.failed[0].message, "it did not end within 7 s");
    }

    #[test]
    fn tests_are_put_to_the_exercise_whose_file_they_are_named_after() {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let id = |test: &str| owner(&course.stages[0], test).map(|exercise| exercise.id.as_str());
        assert_eq!(
            [id("tests::ring::x"), id("tests::start_info::x"), id("lock::tests::x")],
            [Some("1a"), Some("1b"), None]
        );
    }
}
