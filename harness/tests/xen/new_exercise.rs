//! `harness dev new-exercise`: what it writes compiles, passes nothing, and is refused until it is filled in.

use crate::common::{Lab, repository};
use serde_json::Value;
use std::process::Command;

const NEW: [&str; 7] = ["dev", "new-exercise", "1d", "--file", "free_list.rs", "--title", "Keep a \"list\""];

#[test]
#[ignore = "long"]
fn a_new_exercise_compiles_and_everything_still_to_be_written_is_named() {
    let lab = Lab::starters();
    let said = lab.run(&NEW).with(0).stdout;
    assert!(!said.contains("by hand"), "{said}");
    let verify = lab.run(&["dev", "verify", "stage1"]).with(1).stdout;
    insta::with_settings!({
        snapshot_path => "../../snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
        description => "What dev verify says about an exercise that was just laid out.",
        // Lines move with the files that the exercise was put into.
        filters => vec![(r"\b(lib\.rs|lab\.toml|lab\.md):\d+", "$1:[line]")],
    }, { insta::assert_snapshot!("new-exercise", verify) });

    // The guest's side, with the starter and with the reference. This harness doesn't know the host's half.
    for (solution, status) in [(None, "not_attempted"), (Some("--solution=1d"), "fail")] {
        let arguments = ["check", "1d", "--format", "json"];
        let ended = lab.run(&arguments.into_iter().chain(solution).collect::<Vec<_>>()).with(1);
        let results: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(results["exercises"][0]["checks"][0]["status"], status, "{}", ended.stdout);
    }

    // The host's side, among what was compiled for this checkout.
    let mut cargo = Command::new("cargo");
    cargo.current_dir(lab.root()).args(["check", "--quiet", "--locked", "--package", "harness", "--target-dir"]);
    let checked = cargo.arg(repository().join("target")).output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn what_would_overwrite_something_or_is_out_of_order_is_refused() {
    let lab = Lab::starters();
    let said =
        |id: &str, file: &str| lab.run(&["dev", "new-exercise", id, "--file", file, "--title", "T"]).with(64).stderr;
    assert!(said("1d", "ring.rs").contains("src/ring.rs is there already"));
    assert!(said("1f", "x.rs").contains("next: one of: 1d"));
    assert!(said("1d", "../x.rs").contains("is no name for an exercise's file"));
}
