//! `harness bless`: a snapshot is made anew from a reference that passes, and from no other.

use crate::common::Lab;
use std::fs;

const SNAPSHOT: &str = "harness/snapshots/stage1.snap";

#[test]
fn a_console_is_taken_from_a_reference_that_passes() {
    let lab = Lab::starters();
    let path = lab.root().join(SNAPSHOT);
    let right = fs::read_to_string(&path).unwrap();
    fs::write(&path, right.replace("bye: poweroff", "bye")).unwrap();
    let said = lab.run(&["bless", "stage1", "--console"]).with(0).stdout;
    assert!(said.contains("\n-bye\n+bye: poweroff\n") && said.contains("stage1.snap is blessed"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), right);

    // One byte too many fits.
    let reference = lab.root().join("solutions/stage1-console/ring.rs");
    let wrong =
        fs::read_to_string(&reference).unwrap().replace("OUT_SIZE.saturating_sub(", "(OUT_SIZE + 1).saturating_sub(");
    fs::write(&reference, wrong).unwrap();
    fs::write(&path, "").unwrap();
    let said = lab.run(&["bless", "stage1", "--console"]).with(1).stdout;
    assert!(said.contains("FAIL 1a.full") && said.contains("nothing was blessed"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}
