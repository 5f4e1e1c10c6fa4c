//! `harness soak` at a hundredth: what CI can afford of it.

use crate::common::{repository, run};

#[test]
fn a_hundredth_of_every_soak_holds() {
    let ended = run(repository(), &["soak", "--scale", "1"]).with(0);
    let held = ended.stdout.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(held, harness::soak::ALL.len(), "{}", ended.stdout);
}

#[test]
fn an_unknown_soak_gets_the_nearest() {
    let ended = run(repository(), &["soak", "consol"]).with(64);
    assert!(ended.stderr.contains("did you mean `console`?"), "{}", ended.stderr);
}
