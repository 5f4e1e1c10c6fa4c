//! The template for Gradescope, run as Gradescope runs it: its folders, its script, its results.

use crate::common::repository;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

/// A folder as `/autograder` is, with this checkout as the course.
fn graded(submission: &[(&str, &str)]) -> (Option<i32>, Option<Value>) {
    let base = tempfile::tempdir().unwrap();
    for folder in ["source", "submission", "results"] {
        fs::create_dir(base.path().join(folder)).unwrap();
    }
    symlink(repository(), base.path().join("source/course")).unwrap();
    for (name, text) in submission {
        fs::write(base.path().join("submission").join(name), text).unwrap();
    }
    let mut script = Command::new(repository().join("harness/templates/gradescope/run_autograder"));
    script.env("AUTOGRADER", base.path()).env("STARDUST_CACHE", harness::cache::root().unwrap());
    let ended = script.output().unwrap();
    let results = fs::read_to_string(base.path().join("results/results.json")).ok();
    (ended.status.code(), results.map(|text| serde_json::from_str(&text).expect("results in JSON")))
}

#[test]
fn a_submission_gets_its_score_and_an_empty_one_advice() {
    let solution = fs::read_to_string(repository().join("solutions/stage1-console/ring.rs")).unwrap();
    let (status, results) = graded(&[("ring.rs", &solution)]);
    let results = results.unwrap();
    assert_eq!((status, &results["score"]), (Some(0), &Value::from(30)), "{results}");
    assert_eq!((&results["tests"][0]["number"], &results["tests"][0]["status"]), (&"1a.fits".into(), &"passed".into()));
    assert_eq!(results["tests"].as_array().unwrap().len(), 18);

    let (status, results) = graded(&[("other.txt", "hello")]);
    let results = results.unwrap();
    assert_eq!((status, &results["score"]), (Some(0), &Value::from(0)));
    assert!(results["output"].as_str().unwrap().contains("cargo harness submit"), "{results}");
}

#[test]
fn the_container_has_the_compiler_that_the_course_names() {
    let read = |file: &str| fs::read_to_string(repository().join(file)).unwrap();
    let container: Value = serde_json::from_str(&read("harness/templates/devcontainer/devcontainer.json")).unwrap();
    let toolchain: toml::Table = read("rust-toolchain.toml").parse().unwrap();
    let version = toolchain["toolchain"]["channel"].as_str().unwrap().rsplit_once('.').unwrap().0.to_owned();
    assert_eq!(container["image"], format!("docker.io/library/rust:{version}-trixie"));
    let status =
        Command::new("bash").args(["-n", "harness/templates/gradescope/setup.sh"]).current_dir(repository()).status();
    assert!(status.unwrap().success());
}
