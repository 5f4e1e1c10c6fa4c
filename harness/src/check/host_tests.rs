//! Tier 2: the stage's own tests, on this machine.
//!
//! They answer in a second and show a mistake more closely than a booted guest can. They are feedback and
//! never points: the code under test runs in the process that judges it.

use super::results::{FailedTest, HostTests, Status};
use crate::error::Result;
use crate::{process, toolchain};
use std::path::Path;
use std::time::Duration;

/// What `lab_todo!` says in a host build.
const NOT_ATTEMPTED: &str = "is not attempted yet";

/// Runs the library tests of `package` with these features, for `limit` at most.
///
/// A test that only meets an exercise nobody has begun does not count as failed.
pub fn run(root: &Path, package: &str, features: &[String], limit: Duration) -> Result<HostTests> {
    let mut command = toolchain::cargo(root);
    command
        .args(["test", "--quiet", "--package", package, "--lib", "--target-dir", "target/host"])
        .args(["--features", &features.join(",")])
        .args(["--", "--test-threads", "2", "--format", "pretty", "--color", "never"]);
    // A backtrace of this machine's standard library says nothing about the exercise.
    command.env("RUST_BACKTRACE", "0");
    let finished = process::run(&mut command, limit)?;
    let mut tests = parse(&finished.stdout);
    if finished.status.is_none() {
        let message = format!("the tests did not end within {:.0} s", limit.as_secs_f64());
        tests.failed.push(FailedTest { name: unfinished(&finished.stdout), message });
        tests.status = Status::Timeout;
    } else if !finished.success() && !finished.stdout.contains("running ") {
        let message = crate::tail(&finished.stderr, 40);
        tests.failed.push(FailedTest { name: "the tests do not compile".to_owned(), message });
        tests.status = Status::Build;
    }
    Ok(tests)
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
                    failed.push(FailedTest { name: name.to_owned(), message });
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

/// The tests that had begun when time was up.
fn unfinished(output: &str) -> String {
    let slow = output.lines().filter_map(|line| line.strip_suffix(" has been running for over 60 seconds"));
    let names: Vec<&str> = slow.filter_map(|line| line.strip_prefix("test ")).collect();
    if names.is_empty() { "host tests".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

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
";

    #[test]
    fn a_failure_keeps_its_words_and_an_untouched_exercise_is_none() {
        let tests = parse(OUTPUT);
        assert_eq!((tests.passed, tests.failed.len(), tests.status), (1, 1, Status::Fail));
        assert_eq!(tests.failed[0].name, "tests::ring_wraps");
        let message = "stages/stage1-console/src/tests.rs:31:5\nassertion `left == right` failed\n  left: 3\n right: 4";
        assert_eq!(tests.failed[0].message, message);
    }
}
