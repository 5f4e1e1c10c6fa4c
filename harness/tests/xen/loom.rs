//! loom's models of the blocking primitives: every order in which a few threads could run.
//!
//! They are host tests of stage 4 in a build of their own, which `--cfg loom` makes: so they have a target folder of their own, too.

use crate::common::repository;
use std::process::Command;

#[test]
fn every_order_of_the_models_ends_well() {
    let folder = repository().join("target/loom");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(repository()).env("RUSTFLAGS", "--cfg loom").env_remove("CARGO_TARGET_TMPDIR");
    cargo.args(["test", "--quiet", "--release", "--package", "stage4-threads", "--lib", "--features", "reference"]);
    let ended = cargo.arg("--target-dir").arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}\n{}", String::from_utf8_lossy(&ended.stderr));
    // None of them, for want of a flag, would be well too.
    let models = std::fs::read_to_string(repository().join("stages/stage4-threads/src/models.rs")).unwrap();
    let passed = said.split_once("test result: ok. ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    assert!(passed > Some(models.matches("#[test]").count()), "{said}");
}
