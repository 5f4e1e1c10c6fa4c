//! `harness export --similarity`: a class's exercises without what is changed first, and the starters beside them.

use crate::common::Checkout;
use std::fs;

const RING: &str = "stages/stage1-console/src/ring.rs";

#[test]
fn a_class_is_exported_and_what_cannot_be_read_is_named() {
    let checkout = Checkout::new();
    let starter = fs::read_to_string(checkout.path(RING)).unwrap();
    fs::create_dir(checkout.path("class")).unwrap();
    for (name, text) in [("anna", "// mine\nfn a()  { 1 }\n"), ("bert", "/* his */ fn a() { 1 }\n")] {
        fs::write(checkout.path(RING), text).unwrap();
        checkout.run(&["submit", "stage1", "--out", &format!("class/{name}.zip")]).with(0);
    }
    fs::write(checkout.path(RING), &starter).unwrap();
    fs::write(checkout.path("class/carl.zip"), "no zip").unwrap();
    let arguments = ["export", "stage1", "class", "--similarity", "compare"];
    let ended = checkout.run(&arguments).with(0);
    assert!(
        ended.stdout.contains("compare: 2 of 3 submissions") && ended.stdout.contains("-bc _starter"),
        "{}",
        ended.stdout
    );
    assert!(ended.stderr.contains("left out: carl.zip"), "{}", ended.stderr);
    let text = |name: &str| fs::read_to_string(checkout.path(&format!("compare/{name}/ring.rs"))).unwrap();
    assert_eq!(text("anna"), "fn a() { 1 }\n");
    assert_eq!(text("anna"), text("bert"));
    assert!(text("_starter").starts_with("use crate::console_ring::OutRing;\n"), "{}", text("_starter"));
    assert!(checkout.run(&arguments).with(64).stderr.contains("is not empty"));
    let nobody = checkout.run(&["export", "stage1", "nobody", "--similarity", "x"]).with(64).stderr;
    assert!(nobody.contains("there is no folder of submissions at nobody"), "{nobody}");
}
