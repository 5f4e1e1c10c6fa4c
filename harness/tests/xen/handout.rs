//! `harness handout`: what a class gets holds no solution that it shouldn't have, works, and earns nothing.

use crate::common::{Checkout, repository, run};
use std::fs;
use std::path::Path;
use std::process::Command;

const RING: &str = "stages/stage1-console/src/ring.rs";
const LIB: &str = "stages/stage1-console/src/lib.rs";

fn git(folder: &Path, arguments: &[&str]) -> String {
    let said = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(said.status.success(), "git {arguments:?}");
    String::from_utf8(said.stdout).unwrap()
}

#[test]
#[ignore = "long"]
fn a_handout_is_proved_and_works_as_a_students_checkout() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("class/handout");
    let said = run(repository(), &["handout", "--release", "1", "--out", out.to_str().unwrap()]).with(0).stdout;
    assert!(said.contains("its stage 1 earns 0 of 100 points"), "{said}");
    assert!(said.contains("no solutions"), "{said}");
    for gone in ["solutions", "harness/tests", "book/src/instructor", ".ci", "target", ".harness"] {
        assert!(!out.join(gone).exists(), "{gone}");
    }
    assert_eq!(fs::read_to_string(out.join(RING)).unwrap(), fs::read_to_string(repository().join(RING)).unwrap());
    assert_eq!(git(&out, &["tag", "--list"]), "starter\n");
    assert_eq!(git(&out, &["status", "--short", "--ignored"]), "");
    assert!(!fs::read_to_string(out.join("book/src/SUMMARY.md")).unwrap().contains("nstructor"));

    // What a student does in it.
    assert!(run(&out, &["list"]).with(0).stdout.contains(" exercises, 0 of "));
    let said = run(&out, &["check", "stage1", "--solution"]).with(64).stderr;
    assert!(said.contains("the references of stage 1 are not in this checkout"), "{said}");
    assert!(run(&out, &["doctor"]).with(0).stdout.contains("speed       not measured"));
    let given = fs::read_to_string(out.join(LIB)).unwrap();
    fs::write(out.join(LIB), format!("{given}\n")).unwrap();
    assert!(run(&out, &["check", "1a"]).with(4).stderr.contains(&format!("edited: {LIB}")));
    run(&out, &["reset", "--given"]).with(0);
    fs::write(out.join(RING), "").unwrap();
    run(&out, &["reset", "1a"]).with(0);
    assert_eq!(git(&out, &["status", "--short"]), "");

    // Once there is something, nothing is overwritten.
    let again = run(repository(), &["handout", "--release", "1", "--out", out.to_str().unwrap()]).with(64).stderr;
    assert!(again.contains("is not empty"), "{again}");
    assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 1, "nothing half-made stays behind");
}

#[test]
fn nothing_is_handed_out_with_somebodys_work_or_a_solution_in_it() {
    let checkout = Checkout::new();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("handout");
    let handout = || checkout.run(&["handout", "--release", "stage1", "--out", out.to_str().unwrap()]);
    let solution = fs::read_to_string(checkout.path("solutions/stage1-console/ring.rs")).unwrap();
    fs::write(checkout.path("labs/stage1-console/lab.md"), &solution).unwrap();
    let said = handout().with(4).stderr;
    assert!(said.contains("labs/stage1-console/lab.md holds a part of solutions/stage1-console/ring.rs"), "{said}");
    fs::write(checkout.path(RING), solution).unwrap();
    let said = handout().with(64).stderr;
    assert!(said.contains(&format!("{RING} is no starter")) && said.contains("reset 1a"), "{said}");
    assert!(!out.exists());
    checkout.git(&["checkout", "--quiet", "."]);
    // A class has the starters already.
    let manifest = checkout.path("labs/course.toml");
    let course = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, course.replace("schema = 1", "schema = 1\nfrozen = \"term\"")).unwrap();
    let said = handout().with(64).stderr;
    assert!(said.contains("labs/course.toml: starters are frozen at `term`, which can't be looked at"), "{said}");
    checkout.git(&["tag", "term"]);
    let starter = fs::read_to_string(checkout.path(RING)).unwrap();
    fs::write(checkout.path(RING), format!("{starter}// a better text\n")).unwrap();
    let said = handout().with(64).stderr;
    assert!(said.contains(&format!("{RING}: the starter is not that of `term`, which students work on")), "{said}");
    let said = checkout.run(&["dev", "verify", "stage1"]).with(1).stdout;
    assert!(said.contains(&format!("{RING}: the starter is not that of `term`")), "{said}");
    let said = checkout.run(&["handout", "--release", "99", "--out", "x"]).with(64).stderr;
    assert!(said.contains("there is no stage or exercise called `99`"), "{said}");
}
