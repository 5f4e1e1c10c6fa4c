//! Small books, sound and broken.

use super::*;
use std::fs;

/// A checkout that is sound, with files replaced or added.
fn findings_with(changes: &[(&str, &str)]) -> Vec<String> {
    let course =
        "schema = 1\ntitle = \"x\"\n[[stage]]\nnumber = 1\nname = \"one\"\npackage = \"stage1-one\"\ntitle = \"One\"\n";
    let lab = "goals = []\n[integration]\nid = \"1.live\"\ntitle = \"t\"\npoints = 1\ntimeout = 1.0\n\
        [[exercise]]\nid = \"1a\"\ntitle = \"t\"\nfile = \"ring.rs\"\nfeature = \"ref-ring\"\nfunctions = []\nminutes = 1\n\
        difficulty = 1\nbook = \"book/src/one.md\"\nhints = [\"a\", \"b\", \"c\"]\ncheck = []\n";
    let sound = [
        ("labs/course.toml", course),
        ("labs/stage1-one/lab.toml", lab),
        ("labs/stage1-one/lab.md", "# Lab\n\n[x](https://x.org) `[y](z.md)`\n\n```sh\n![no](image.png)\n```\n"),
        ("book/src/SUMMARY.md", "- [One](one.md)\n- [Lab](in/lab.md)\n"),
        (
            "book/src/one.md",
            "```rust\n{{#include ../../stages/stage1-one/src/lib.rs:boot}}\n```\n\\{{#include gone.rs}}\n",
        ),
        ("book/src/in/lab.md", "{{#include ../../../labs/stage1-one/lab.md}}\n{{#include ../../../s.snap:4:}}\n"),
        ("s.snap", "---\nsource: x\n---\nconsole\n"),
        ("stages/stage1-one/src/lib.rs", "// ANCHOR: boot\nfn boot() {}\n// ANCHOR_END: boot\n"),
        ("stages/stage1-one/src/ring.rs", ""),
        ("solutions/stage1-one/ring.rs", ""),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in sound.iter().chain(changes) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let found = findings(&Course::load(folder.path()).unwrap()).unwrap();
    found.into_iter().map(|finding| format!("{}: {}", finding.place, finding.what)).collect()
}

#[test]
fn a_sound_book_has_no_findings() {
    assert!(findings_with(&[]).is_empty(), "{:?}", findings_with(&[]));
}

#[test]
fn what_is_included_must_be_there() {
    let page = "\n{{#include gone.txt}}\n{{#include ../../stages/stage1-one/src/lib.rs:gone}}\n{{#include ../../s.snap:9}}\n\
        {{#include ../../s.snap:3:}}\n{{#include ../../stages/stage1-one/src/lib.rs:boot}}\n";
    assert_eq!(
        findings_with(&[("book/src/one.md", page)]),
        [
            "book/src/one.md:2: there is no text file book/src/gone.txt to include",
            "book/src/one.md:3: stages/stage1-one/src/lib.rs has no anchor `gone`",
            "book/src/one.md:4: s.snap has no line 9",
            "book/src/one.md:5: line 3 of s.snap is not the first behind the snapshot's header",
        ]
    );
}

#[test]
fn anchors_are_balanced_and_shown() {
    let twice = "// ANCHOR: boot\n// ANCHOR: boot\n// ANCHOR_END: boot\n";
    let open = "\n/* ANCHOR: open */\n";
    assert_eq!(
        findings_with(&[("stages/stage1-one/src/lib.rs", twice), ("stages/stage1-one/link.ld", open)]),
        [
            "stages/stage1-one/link.ld:2: anchor `open` doesn't begin once and end once behind that",
            "stages/stage1-one/link.ld:2: no page shows anchor `open`",
            "stages/stage1-one/src/lib.rs:1: anchor `boot` doesn't begin once and end once behind that",
        ]
    );
    let backwards = "// ANCHOR_END: boot\n// ANCHOR: boot\n";
    assert_eq!(findings_with(&[("stages/stage1-one/src/lib.rs", backwards)]).len(), 1);
}

#[test]
fn exercises_and_solutions_are_not_shown() {
    let page = "{{#include ../../stages/stage1-one/src/ring.rs}}\n{{#include ../../solutions/stage1-one/ring.rs}}\n\
        {{#include ../../stages/stage1-one/src/lib.rs:boot}}\n";
    let found = findings_with(&[("book/src/one.md", page)]);
    assert!(found.len() == 2 && found.iter().all(|text| text.contains("belongs to an exercise")), "{found:?}");
}

#[test]
fn every_page_is_named() {
    let found = findings_with(&[("book/src/lost.md", "")]);
    assert_eq!(found, ["book/src/lost.md: SUMMARY.md doesn't name this page"]);
}

#[test]
fn a_lab_stands_on_its_own() {
    let lab =
        "[a](b.md) and [c](#d)\n\n![e](f.png)\n<img src=\"x\">\n\n[g]: h/i.md\n{{#include j.md}}\n[k](mailto:x)\n";
    let found = findings_with(&[("labs/stage1-one/lab.md", lab)]);
    let lines = |what: &str| -> Vec<String> {
        let about = found.iter().filter(|text| text.contains(what));
        about.map(|text| text.split(':').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(lines("a relative link"), ["1", "1", "3", "8", "6"], "{found:?}");
    assert_eq!(lines("an image"), ["3", "4"]);
    assert_eq!(lines("an include"), ["7"]);
    let found = findings_with(&[("book/src/in/lab.md", "nothing\n")]);
    assert_eq!(found, ["labs/stage1-one/lab.md: no page of the book includes this lab"]);
}
