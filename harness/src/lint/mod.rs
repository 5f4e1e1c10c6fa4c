//! What has to hold of the course's own data, beyond what its types say: `harness dev verify` and `harness book
//! --check` refuse a course in which it doesn't.
//!
//! Invariant: a finding names a file, a line where there is one, and what is wrong, so that each can be mended without
//! reading this.

pub(crate) mod frozen;
mod manifest;
mod text;
mod unfinished;

use crate::book::Finding;
use crate::course::{Course, Stage};
use crate::dev::mutants;
use crate::error::{Context, Result};
use std::path::{Path, PathBuf};

/// What every stage is worth.
const STAGE_POINTS: u32 = 100;

/// Everything that is wrong with the course.
///
/// # Errors
/// Where something can't be read.
pub fn findings(course: &Course) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (index, stage) in course.stages.iter().enumerate() {
        let place = || format!("labs/course.toml:{}", line_of_stage(&course.root, stage));
        if stage.number as usize != index + 1 {
            found.push(Finding::new(
                place(),
                format!("the stage in place {} has the number {}", index + 1, stage.number),
            ));
        }
        if stage.package != format!("stage{}-{}", stage.number, stage.name) {
            found
                .push(Finding::new(place(), format!("the package is not called stage{}-{}", stage.number, stage.name)));
        }
        found.extend(of_stage(course, stage)?);
    }
    Ok(found)
}

/// Everything that is wrong with one stage.
///
/// # Errors
/// Where something can't be read.
pub fn of_stage(course: &Course, stage: &Stage) -> Result<Vec<Finding>> {
    let root = &course.root;
    let file = manifest_file(stage);
    let source = read(root, &file)?;
    let mut found = manifest::findings(root, stage, &file, &source)?;
    let file = Path::new("labs").join(&stage.package).join("lab.md");
    match std::fs::read_to_string(root.join(&file)) {
        Ok(text) => found.extend(text::findings(stage, &file, &text)),
        Err(error) => found.push(Finding::new(file.display(), format!("the lab has no text: {error}"))),
    }
    found.extend(unfinished::findings(root, stage)?);
    found.extend(frozen::findings(course, stage)?);
    if let Err(error) = mutants::load(root, stage) {
        let file = Path::new("solutions").join(&stage.package).join("mutants.toml");
        found.push(Finding::new(file.display(), error.message));
    }
    Ok(found)
}

fn manifest_file(stage: &Stage) -> PathBuf {
    Path::new("labs").join(&stage.package).join("lab.toml")
}

fn read(root: &Path, file: &Path) -> Result<String> {
    let path = root.join(file);
    std::fs::read_to_string(&path).on("read", &path)
}

/// The line on which `text` stands in a source, or the first.
fn line_of(source: &str, text: &str) -> usize {
    source.lines().position(|line| line.trim() == text).map_or(1, |index| index + 1)
}

fn line_of_stage(root: &Path, stage: &Stage) -> usize {
    let source = read(root, Path::new("labs/course.toml")).unwrap_or_default();
    line_of(&source, &format!("number = {}", stage.number))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;

    /// A stage that is as it should be.
    const LAB: &str = r#"goals = ["see it"]
[integration]
id = "1.live"
title = "all together"
points = 10
timeout = 20.0
[[exercise]]
id = "1a"
title = "One"
file = "one.rs"
feature = "ref-one"
functions = ["one"]
minutes = 30
difficulty = 2
book = "book/src/stage1/one.md"
hints = ["What is it before, and after?", "First this, then that.", "`a + b`, and no more."]
[[exercise.check]]
id = "1a.first"
title = "the first"
points = 90
explain = "It is done once."
"#;
    const TEXT: &str = "# Lab 1: X\n\n## Goal\n\n## Before you begin\n\n## Predict first\n\n<details>\n</details>\n\n\
        ## 1a: One\n\nFile: `one.rs`. Function: `one(x: u64)`.\n\n## What the checks do\n\n## Run it\n\n## Think\n\n\
        <details>\n</details>\n<details>\n</details>\n\n## Challenge\n";
    const CARGO: &str = "[package]\nname = \"stage1-x\"\n[features]\nref-one = []\nreference = [\"ref-one\"]\n";

    /// A sound checkout with files replaced or added.
    pub(crate) fn checkout(changes: &[(&str, &str)]) -> tempfile::TempDir {
        let course =
            "schema = 1\ntitle = \"T\"\n[[stage]]\nnumber = 1\nname = \"x\"\npackage = \"stage1-x\"\ntitle = \"X\"\n";
        let sound = [
            ("labs/course.toml", course),
            ("labs/stage1-x/lab.toml", LAB),
            ("labs/stage1-x/lab.md", TEXT),
            ("stages/stage1-x/Cargo.toml", CARGO),
            ("stages/stage1-x/src/one.rs", "pub fn one(x: u64) { lab_todo!(\"1a\", x) }\n"),
            ("solutions/stage1-x/one.rs", "pub fn one(_: u64) {}\n"),
            ("book/src/stage1/one.md", "# One\n"),
        ];
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in sound.iter().chain(changes) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn findings_with(changes: &[(&str, &str)]) -> Vec<String> {
        let folder = checkout(changes);
        let found = findings(&Course::load(folder.path()).unwrap()).unwrap();
        found.into_iter().map(|finding| format!("{}: {}", finding.place, finding.what)).collect()
    }

    /// What is found once this text of the manifest is that one.
    #[track_caller]
    fn manifest(from: &str, to: &str) -> Vec<String> {
        assert_eq!(LAB.matches(from).count(), 1, "{from}");
        findings_with(&[("labs/stage1-x/lab.toml", &LAB.replace(from, to))])
    }

    #[test]
    fn a_sound_course_has_no_findings_and_ours_is_one() {
        assert_eq!(findings_with(&[]), [""; 0]);
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let found = findings(&course).unwrap();
        let told: Vec<String> = found.into_iter().map(|Finding { place, what }| format!("{place}: {what}")).collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
    }

    #[test]
    fn points_add_up() {
        let found = manifest("points = 90", "points = 80");
        assert_eq!(
            found,
            [
                "labs/stage1-x/lab.toml:5: the stage is worth 90 points, 80 of the exercises and 10 of the whole; it has to be 100"
            ]
        );
    }

    #[test]
    fn hints_help_and_name_no_lines() {
        let place = "labs/stage1-x/lab.toml:8: 1a";
        let found = manifest("First this, then that.", "See line 12 of the file.");
        assert_eq!(found, [format!("{place}: hint 2 names a line, which moves when the file changes")]);
        assert_eq!(manifest("First this, then that.", "Look at one.rs:12.").len(), 1);
        assert_eq!(manifest("First this, then that.", " "), [format!("{place}: hint 2 is empty")]);
        let same = manifest("First this, then that.", "What is it before, and after?");
        assert_eq!(same, [format!("{place}: hint 2 says what hint 1 says")]);
        assert_eq!(manifest("First this, then that.", "A line at a time."), [""; 0]);
    }

    #[test]
    fn what_a_manifest_names_is_there() {
        let said = |from: &str, to: &str| manifest(from, to).join("\n");
        assert!(
            said("book/src/stage1/one.md", "book/src/two.md").ends_with("1a: the book has no page book/src/two.md")
        );
        assert!(said("\"ref-one\"", "\"ref-two\"").contains("stages/stage1-x/Cargo.toml has no feature `ref-two`"));
        let text = "File: `two.rs`. Function: `one(x: u64)`.";
        let found = findings_with(&[
            ("labs/stage1-x/lab.toml", &LAB.replace("one.rs", "two.rs")),
            ("labs/stage1-x/lab.md", &TEXT.replace("File: `one.rs`. Function: `one(x: u64)`.", text)),
        ]);
        assert_eq!(
            found,
            [
                "labs/stage1-x/lab.toml:8: 1a: there is no stages/stage1-x/src/two.rs",
                "labs/stage1-x/lab.toml:8: 1a: there is no solutions/stage1-x/two.rs",
            ]
        );
        assert!(said("[\"one\"]", "[\"other\"]").contains("one.rs has no function `other`"));
        let found = findings_with(&[("stages/stage1-x/Cargo.toml", &CARGO.replace("[\"ref-one\"]", "[]"))]);
        assert_eq!(found, ["labs/stage1-x/lab.toml:8: 1a: the feature `reference` doesn't turn on `ref-one`"]);
    }

    #[test]
    fn numbers_and_names_make_sense() {
        for (from, to, what) in [
            ("minutes = 30", "minutes = 0", "minutes"),
            ("difficulty = 2", "difficulty = 6", "difficulty"),
            ("\"1a.first\"", "\"1b.first\"", "`1b.first` doesn't begin with `1a.`"),
            ("id = \"1a\"", "id = \"1b\"", "the exercise in place 1 is not called 1a"),
            ("explain = \"It is done once.\"", "explain = \"\"", "says nothing about itself"),
            ("difficulty = 2", "difficulty = 2\nneeds = [\"1a\"]", "needs itself"),
            ("difficulty = 2", "difficulty = 2\nneeds = [\"1x\"]", "needs 1x, which is no exercise"),
            ("difficulty = 2", "difficulty = 2\nallow = [\"ams\"]", "allows `ams`, which no rule forbids"),
            ("goals = [\"see it\"]", "goals = []", "no goals"),
            ("id = \"1.live\"", "id = \"2.live\"", "is not called 1.live"),
        ] {
            let found = manifest(from, to).join("\n");
            assert!(found.contains(what), "{to}: {found}");
        }
    }

    #[test]
    fn a_lab_has_the_fixed_form() {
        let with = |from: &str, to: &str| findings_with(&[("labs/stage1-x/lab.md", &TEXT.replace(from, to))]);
        let place = "labs/stage1-x/lab.md";
        let found = with("## Run it\n", "");
        assert_eq!(found, [format!("{place}:19: here `## Run it` is expected, and there is `## Think`")]);
        assert_eq!(with("## Challenge\n", ""), [format!("{place}: `## Challenge` is missing at the end")]);
        assert_eq!(with("# Lab 1: X", "# Lab 1: Y"), [format!("{place}:1: the title is not `# Lab 1: X`")]);
        assert_eq!(with("`one.rs`", "the file"), [format!("{place}:12: the task doesn't name `one.rs`")]);
        assert_eq!(with("`one(x: u64)`", "it"), [format!("{place}:12: the task doesn't name `one`")]);
        let questions = with("<details>\n</details>\n<details>\n</details>\n\n## Ch", "<details>\n</details>\n\n## Ch");
        assert_eq!(
            questions,
            [format!("{place}:20: 2 or 3 questions with folded answers are expected, and there are 1")]
        );
    }

    #[test]
    fn what_is_unfinished_is_named_with_its_line() {
        let found = findings_with(&[
            ("stages/stage1-x/src/one.rs", "// TODO(1a): say what\npub fn one(x: u64) { lab_todo!(\"1a\", x) }\n"),
            ("harness/src/check/stage1/one.rs", "\n/// TODO(1a): draw\n"),
        ]);
        assert_eq!(
            found,
            ["harness/src/check/stage1/one.rs:2: TODO(1a): draw", "stages/stage1-x/src/one.rs:1: TODO(1a): say what",]
        );
    }

    #[test]
    fn a_mutant_of_no_check_is_found() {
        let mutant = "[[mutant]]\nexercise = \"1a\"\nname = \"x\"\nfile = \"one.rs\"\nfind = \"a\"\nreplace = \"b\"\nfails = \"1a.gone\"\n";
        let found = findings_with(&[("solutions/stage1-x/mutants.toml", mutant)]);
        assert!(found.len() == 1 && found[0].contains("`x` names a check"), "{found:?}");
    }

    #[test]
    fn a_manifest_that_is_wrong_is_told_with_line_and_reason() {
        for (from, to, line, reason) in [
            ("minutes = 30", "minutes = \"long\"", "line 13", "expected u32"),
            (", \"`a + b`, and no more.\"", "", "line 16", "an array of length 3"),
            ("minutes = 30", "minuts = 30", "line 13", "unknown field `minuts`"),
            ("minutes = 30\n", "", "line 7", "missing field `minutes`"),
        ] {
            let folder = checkout(&[("labs/stage1-x/lab.toml", &LAB.replace(from, to))]);
            let said = Course::load(folder.path()).unwrap_err().to_string();
            assert!(said.contains("lab.toml") && said.contains(line) && said.contains(reason), "{said}");
        }
    }
}
