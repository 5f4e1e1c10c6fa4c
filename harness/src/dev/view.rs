//! What a student with a wrong answer gets to read, mutant by mutant: a text to look at whenever a check changes.

use super::verify::Verified;
use crate::check::report::{self, Style};
use crate::check::results::{Results, Status};
use crate::course::Stage;
use regex::{Captures, Regex};
use std::path::{Path, PathBuf};

/// Where the text of a stage is kept, from the checkout's root.
pub fn snapshot_path(stage: u32) -> PathBuf {
    Path::new("harness/snapshots").join(format!("mutants-stage{stage}.snap"))
}

/// What the report says about each mutant of a stage, without what differs from build to build.
pub fn mutants(verified: &[Verified], stage: &Stage, root: &Path) -> String {
    let mutants = verified.iter().filter(|one| one.name.split(' ').next().is_some_and(|id| stage.exercise(id).is_ok()));
    let views =
        mutants.filter_map(|one| Some(format!("## {}\n{}\n", one.name, view(one.results.as_ref()?, stage, root))));
    steady(&views.collect::<Vec<_>>().join("\n"), stage)
}

/// What a report says about exercises that are not right, without the checks that passed.
fn view(results: &Results, stage: &Stage, root: &Path) -> String {
    let wrong = results.exercises.iter().filter(|exercise| exercise.status != Status::Pass).cloned().collect();
    let results = Results { exercises: wrong, integration: None, mode: "mine".into(), ..results.clone() };
    let report = report::human(&results, stage, root, Style::default(), None);
    let told = |line: &&str| !line.starts_with("ok ") && !line.starts_with("image ") && !line.starts_with("console: ");
    let lines: Vec<&str> = report.lines().skip(1).filter(told).filter(|line| !line.ends_with(" points")).collect();
    lines.join("\n")
}

/// The text with numbers that are no matter of it replaced by words: addresses, and lines of given files.
fn steady(text: &str, stage: &Stage) -> String {
    let exercises: Vec<PathBuf> = stage.lab.exercises.iter().map(|exercise| stage.exercise_path(exercise)).collect();
    let own = |file: &str| exercises.iter().any(|exercise| exercise == Path::new(file));
    let lines = |found: &Captures| {
        if own(&found[1]) { found[0].to_owned() } else { format!("{}:[line]", &found[1]) }
    };
    // How far into a function an address is can only be told where the image's own table has room for its name.
    let text = replaced(text, r"\+0x[0-9a-f]+", |_| String::new());
    let text = replaced(&text, r"0x[0-9a-f]+", |_| "[number]".to_owned());
    let text = replaced(&text, r"([\w./+-]+\.rs)(?::\d+)+", lines);
    // Which error Xen finds depends on what was left in a register that a mutant doesn't set; what is left in one that
    // it forgets are flags and addresses.
    let text = replaced(&text, r"(got +)-\d+", |found| format!("{}[error]", &found[1]));
    // What is measured differs from run to run, and so does how many of several measurements are wrong.
    let text = replaced(&text, r"(?: +[^\n]+\n +expected +from \d+ to \d+\n +got +\d+\n)+", |_| MEASURED.to_owned());
    let registers = r"(values in registers[^\n]*: [a-z]\n +expected +\d+\n +got +)\d+";
    replaced(&text, registers, |found| format!("{}[number]", &found[1]))
}

const MEASURED: &str = "     [what was measured]\n";

/// The text with each match of a pattern replaced.
fn replaced(text: &str, pattern: &str, with: impl Fn(&Captures) -> String) -> String {
    Regex::new(pattern).map_or_else(|_| text.to_owned(), |pattern| pattern.replace_all(text, with).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;

    #[test]
    fn what_differs_from_build_to_build_is_replaced() {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let text = "at stages/stage1-console/src/ring.rs:20:9\nin trap+0x1f at src/bedrock/trap.rs:3\n  got       -14 0xffff80\n\
            values in registers around it: b\n  expected  80\n  got       646\n\
            \x20    passed\n  expected  from 1 to 3\n  got  0\n     passed\n  expected  from 2 to 4\n  got  17\n";
        let steady = steady(text, &course.stages[0]);
        let wanted = "at stages/stage1-console/src/ring.rs:20:9\nin trap at src/bedrock/trap.rs:[line]\n  got       [error] [number]\n\
            values in registers around it: b\n  expected  80\n  got       [number]\n     [what was measured]\n";
        assert_eq!(steady, wanted);
    }
}
