//! `harness bench`: its figures are instructions, and come out again.

use crate::common::{repository, run};
use serde_json::Value;
use std::path::Path;

/// Counts what a stage's reference takes.
fn counted(stage: &str, more: &[&str]) -> Value {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{stage}-{}.json", more.len()));
    let mut arguments = vec!["bench", stage, "--counted", "--format", "json", "--out", file.to_str().unwrap()];
    arguments.extend(more);
    let ended = run(repository(), &arguments).with(0);
    assert!(ended.stdout.contains("loop-of-2001"), "{}", ended.stdout);
    serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap()
}

fn instructions<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rows = report["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name} in {report}"));
    assert_eq!(row["instructions"], row["min"]);
    row
}

#[test]
#[ignore = "long"]
fn two_counted_runs_agree_within_a_hundredth() {
    let plot = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench.svg");
    let first = counted("console", &["--alone"]);
    let second = counted("console", &["--alone", "--plot", plot.to_str().unwrap()]);
    assert_eq!(first["boots"], 10);
    agree(&first, &second);
    assert_eq!(instructions(&first, "loop-of-2001")["min"], 2001);
    assert!(instructions(&first, "boot-to-banner")["min"].as_u64().unwrap() > 10_000);
    assert!(std::fs::read_to_string(plot).unwrap().contains("first instruction to the banner"));
}

#[test]
#[ignore = "minutes, and only whoever quotes figures needs it"]
fn two_counted_runs_of_the_threads_do_so_too() {
    let [first, second] = [(); 2].map(|()| counted("threads", &["--alone"]));
    assert!(first["rows"].as_array().unwrap().len() > 20);
    agree(&first, &second);
}

#[track_caller]
fn agree(first: &Value, second: &Value) {
    for row in first["rows"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        let (one, other) = (row["min"].as_f64().unwrap(), instructions(second, name)["min"].as_f64().unwrap());
        assert!((one - other).abs() <= one / 100.0, "{name}: {one} and {other}");
    }
}

#[test]
#[ignore = "long"]
fn linux_does_what_compares_on_the_same_machine() {
    let report = counted("console", &["--runs", "1"]);
    for (name, linux) in [("boot-to-banner", "boot-to-init"), ("hypercall", "system-call")] {
        let row = instructions(&report, name);
        assert_eq!(row["linux"]["name"], linux);
        assert!(row["linux"]["ratio"].as_f64().unwrap() < 1.0, "{row}");
    }
    assert!(report["linux"].as_array().unwrap().len() >= 10, "{report}");
}

#[test]
fn a_guest_that_cannot_be_measured_says_why() {
    // The starters of stage 1 are not attempted.
    let lab = crate::common::Lab::starters();
    let ended = lab.run(&["bench", "stage1", "--mine", "--runs", "1", "--alone"]).with(3);
    assert!(ended.stderr.contains("is not attempted yet"), "{}", ended.stderr);
    assert!(ended.stderr.contains("next: cargo harness run console --cmdline app=bench"), "{}", ended.stderr);
}
