//! What a graded class comes to: `grades.csv`, a report a student, and `class.md` about what to teach again.

use super::entries::escaped;
use super::folder::Folder;
use super::{Graded, Outcome};
use crate::check::report::{self, Style};
use crate::check::results::{CheckResult, Results, Status};
use crate::course::Stage;
use crate::error::Result;
use std::fmt::Write;
use std::path::Path;

/// A check that more of a class than this has failed is worth a word in the lecture.
const OFTEN: f64 = 0.3;

/// Writes `grades.csv` and `class.md`.
pub fn class(folder: &Folder, stage: &Stage, graded: &[Graded]) -> Result<()> {
    folder.write("grades.csv", &csv(stage, graded))?;
    folder.write("class.md", &overview(stage, graded))
}

/// Writes what a student reads.
pub fn report(folder: &Folder, stage: &Stage, root: &Path, student: &str, results: &Results) -> Result<()> {
    folder.report(student, &student_report(stage, root, results))
}

fn student_report(stage: &Stage, root: &Path, results: &Results) -> String {
    let mut text = format!("# Stage {}: {}\n\n", stage.number, stage.title);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{} of {} points\n", results.totals.points, results.totals.max);
    let _ = writeln!(text, "| exercise | | points |\n|---|---|---|");
    for exercise in &results.exercises {
        let (status, points, max) = (exercise.status.word(), exercise.points, exercise.max);
        let _ = writeln!(text, "| {} {} | {status} | {points} of {max} |", exercise.id, exercise.title);
    }
    if let Some(whole) = &results.integration {
        let (status, points, max) = (whole.status.word(), whole.points, whole.max);
        let _ = writeln!(text, "| {} {} | {status} | {points} of {max} |", whole.id, whole.title);
    }
    let _ = writeln!(text, "\nEach check:\n");
    // As a block of code, in which nothing that a guest has printed means anything.
    for line in report::human(results, stage, root, Style::default(), None).lines() {
        let _ = writeln!(text, "    {line}");
    }
    let selector = format!("stage{}", stage.number);
    let _ = writeln!(text, "\nThe same inputs again: `cargo harness check {selector} --seed {}`", results.seed);
    text
}

fn csv(stage: &Stage, graded: &[Graded]) -> String {
    let ids = stage.lab.exercises.iter().map(|exercise| exercise.id.clone());
    let heading = ["student", "submission", "outcome", "points", "of"].map(str::to_owned);
    let last = [stage.lab.integration.id.clone(), "seed".to_owned(), "reason".to_owned()];
    let mut text = row(heading.into_iter().chain(ids).chain(last));
    for Graded { entry, seed, outcome } in graded {
        let blank = || stage.lab.exercises.iter().map(|_| String::new()).chain([String::new()]).collect();
        let max = stage.points().to_string();
        let (word, points, parts, reason): (_, _, Vec<String>, _) = match outcome {
            Outcome::Marked(results) => {
                let parts = results.exercises.iter().map(|exercise| exercise.points);
                let parts = parts.chain(results.integration.iter().map(|whole| whole.points));
                ("graded", results.totals.points.to_string(), parts.map(|points| points.to_string()).collect(), "")
            }
            Outcome::Missing => ("missing", "0".to_owned(), blank(), "nothing was handed in"),
            Outcome::Refused(why) => ("refused", String::new(), blank(), why.as_str()),
            Outcome::Infra(why) => ("infra", String::new(), blank(), why.as_str()),
        };
        let paths: Vec<String> = entry.submissions.iter().map(|path| escaped(path.as_os_str())).collect();
        let first = [entry.student.clone(), paths.join(" "), word.to_owned(), points, max];
        text += &row(first.into_iter().chain(parts).chain([seed.to_string(), reason.to_owned()]));
    }
    text
}

fn row(cells: impl Iterator<Item = String>) -> String {
    cells.map(|text| cell(&text)).collect::<Vec<_>>().join(",") + "\n"
}

/// A cell of a table. What a spreadsheet would take for a formula becomes text.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn overview(stage: &Stage, graded: &[Graded]) -> String {
    let marked = graded.iter().filter_map(|one| match &one.outcome {
        Outcome::Marked(results) => Some(&**results),
        _ => None,
    });
    let marked = marked.collect::<Vec<_>>();
    let mut text = format!("# Stage {}: {}\n\n", stage.number, stage.title);
    let _ = writeln!(text, "{} of {} entries are graded.", marked.len(), graded.len());
    if !marked.is_empty() {
        let mut points: Vec<u32> = marked.iter().map(|results| results.totals.points).collect();
        points.sort_unstable();
        let mean = f64::from(points.iter().sum::<u32>()) / points.len() as f64;
        let median = f64::from(points[points.len() / 2] + points[(points.len() - 1) / 2]) / 2.0;
        let _ = writeln!(text, "Points of {}: mean {mean:.1}, median {median:.1}.\n", stage.points());
        checks(&mut text, stage, &marked);
    }
    others(&mut text, graded);
    text
}

/// The rate at which each check failed, and those to teach again.
fn checks(text: &mut String, stage: &Stage, marked: &[&Results]) {
    let _ = writeln!(text, "| check | | failed | not attempted | blocked |\n|---|---|---|---|---|");
    let mut often = Vec::new();
    // Students' results don't say what a hidden check is; the instructor may read it.
    let known: Vec<_> = stage.lab.exercises.iter().flat_map(|exercise| &exercise.checks).collect();
    let title = |check: &CheckResult| {
        known.iter().find(|known| known.id == check.id).map_or(check.title.clone(), |known| known.title.clone())
    };
    let all = |results: &Results| -> Vec<CheckResult> {
        results
            .exercises
            .iter()
            .flat_map(|exercise| exercise.checks.clone())
            .chain(results.integration.clone())
            .collect()
    };
    let columns: Vec<Vec<CheckResult>> = marked.iter().map(|results| all(results)).collect();
    for (index, check) in columns[0].iter().enumerate() {
        let statuses: Vec<Status> = columns.iter().filter_map(|checks| checks.get(index)).map(|c| c.status).collect();
        let count = |wanted: &[Status]| statuses.iter().filter(|status| wanted.contains(status)).count();
        let (untried, blocked) = (count(&[Status::NotAttempted]), count(&[Status::Blocked]));
        let failed = statuses.len() - untried - blocked - count(&[Status::Pass]);
        let rate = failed as f64 / statuses.len() as f64;
        let _ = writeln!(text, "| {} | {} | {:.0} % | {untried} | {blocked} |", check.id, title(check), rate * 100.0);
        if rate > OFTEN {
            often.push((rate, check));
        }
    }
    often.sort_by(|a, b| b.0.total_cmp(&a.0));
    if !often.is_empty() {
        let _ = writeln!(text, "\n## To teach again\n");
        for (rate, check) in often {
            let _ = writeln!(text, "- {} ({:.0} % failed it): {}", check.id, rate * 100.0, title(check));
        }
    }
}

/// The entries without a mark.
fn others(text: &mut String, graded: &[Graded]) {
    let of = |heading: &str, wanted: &dyn Fn(&Outcome) -> Option<String>| {
        let lines = graded.iter().filter_map(|one| {
            Some(format!("- {}: {}\n", one.entry.student.escape_debug(), wanted(&one.outcome)?.replace('\n', " ")))
        });
        let lines: String = lines.collect();
        if lines.is_empty() { lines } else { format!("\n## {heading}\n\n{lines}") }
    };
    *text += &of("Faults of the machine: to be run again", &|outcome| match outcome {
        Outcome::Infra(why) => Some(why.clone()),
        _ => None,
    });
    *text += &of("Refused: to be looked at", &|outcome| match outcome {
        Outcome::Refused(why) => Some(why.clone()),
        _ => None,
    });
    *text += &of("Nothing handed in", &|outcome| match outcome {
        Outcome::Missing => Some("0 points".to_owned()),
        _ => None,
    });
}

#[cfg(test)]
mod tests {
    use super::super::entries::Entry;
    use super::*;
    use crate::check::results::tests::sample;
    use crate::course::Course;

    fn class() -> (Course, Vec<Graded>) {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let one = |student: &str, outcome| Graded {
            entry: Entry { student: student.into(), submissions: vec![format!("class/{student}.zip").into()] },
            seed: 7,
            outcome,
        };
        let graded = vec![
            one("anna", Outcome::Marked(Box::new(sample()))),
            one("=cmd", Outcome::Marked(Box::new(sample()))),
            Graded {
                entry: Entry { student: "carl".into(), submissions: Vec::new() },
                seed: 7,
                outcome: Outcome::Missing,
            },
            one("dora", Outcome::Refused("dora.zip is empty".into())),
            one("emil, jr", Outcome::Infra("QEMU died\nagain".into())),
        ];
        (course, graded)
    }

    #[test]
    fn the_table_of_a_class_reads_well() {
        let (course, graded) = class();
        assert_text!("grade-csv", csv(&course.stages[0], &graded));
    }

    #[test]
    fn the_overview_of_a_class_reads_well() {
        let (course, graded) = class();
        assert_text!("grade-class", overview(&course.stages[0], &graded));
    }

    #[test]
    fn a_students_report_reads_well() {
        let (course, _) = class();
        let results = Results { mode: "submission".into(), ..sample() };
        assert_text!("grade-report", student_report(&course.stages[0], Path::new("/x"), &results));
    }
}
