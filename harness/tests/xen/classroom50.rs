//! The template for Classroom 50, run as its runner runs it: in the student's checkout, with its environment.

use crate::common::{Checkout, repository, run};
use harness::prerequisites;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
#[ignore = "long"]
fn a_submission_gets_its_score_and_a_machine_that_lacks_something_none() {
    if prerequisites::find("python3").is_none() {
        return println!("skipped: this machine has no Python, which Classroom 50's has");
    }
    let place = tempfile::tempdir().unwrap();
    let host = place.path().join("test-host");
    run(repository(), &["host", "export", host.to_str().unwrap()]).with(0);
    // `cargo harness` is the one under test.
    let cargo = place.path().join("cargo");
    fs::write(
        &cargo,
        "#!/bin/sh\n[ \"$1\" != harness ] || { shift; exec \"$HARNESS\" \"$@\"; }\nPATH=${PATH#*:} exec cargo \"$@\"\n",
    )
    .unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let student = Checkout::new();
    let ring = "stages/stage1-console/src/ring.rs";
    fs::copy(repository().join("solutions/stage1-console/ring.rs"), student.path(ring)).unwrap();
    student.git_at("2026-06-01T16:32:01+02:00", &["commit", "--quiet", "--all", "--message", "mine"]);
    let grade = |stage: &str| {
        let _ = fs::remove_file(student.path("result.json"));
        let mut script = Command::new("python3");
        script.arg(repository().join("harness/templates/classroom50/autograder.py")).current_dir(student.root());
        for name in ["CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL"] {
            script.env(name, format!("the {name}"));
        }
        script.env("COURSE", repository()).env("HOST", &host).env("STAGE", stage);
        script.env("HARNESS", env!("CARGO_BIN_EXE_harness")).env_remove("CARGO_TARGET_TMPDIR");
        script.env("STARDUST_CACHE", place.path().join("cache"));
        script.env("PATH", format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap()));
        let ended = script.output().unwrap();
        let result = fs::read_to_string(student.path("result.json")).ok();
        let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
        println!("{said}");
        (ended.status.code(), result.map(|text| serde_json::from_str::<Value>(&text).unwrap()))
    };
    let (status, result) = grade("stage1");
    let result = result.unwrap();
    assert_eq!((status, &result["score"], &result["max-score"]), (Some(0), &30.into(), &100.into()), "{result}");
    assert_eq!((&result["schema"], &result["assignment"]), (&"classroom50/result/v1".into(), &"the ASSIGNMENT".into()));
    assert_eq!(result["review"], "the COMMIT_URL");
    // The committer's date, in UTC.
    assert_eq!(result["datetime"], "2026-06-01T14:32:01Z");
    assert_eq!((&result["tests"][0]["passed"], result["tests"].as_array().unwrap().len()), (&true.into(), 18));
    // A stage that there is not: nothing about the work.
    let (status, result) = grade("stage99");
    assert_eq!((status, result), (Some(1), None));
}
