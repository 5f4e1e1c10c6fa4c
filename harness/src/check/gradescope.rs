//! Results for Gradescope: the `results.json` that its autograders write, as "Autograder Specifications" in its
//! documentation has it. (Ours of that name is another one.)

use super::output::{reasons, scored};
use super::results::{CheckResult, ExerciseResult, Results, Status};
use crate::course::{Stage, Visibility};
use crate::error::Result;
use serde::Serialize;

#[derive(Serialize)]
struct Document {
    score: u32,
    execution_time: u64,
    output: String,
    output_format: &'static str,
    /// What the harness prints is for the instructor.
    stdout_visibility: &'static str,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    number: String,
    name: String,
    score: u32,
    max_score: u32,
    status: &'static str,
    output: String,
    visibility: &'static str,
}

/// The document.
///
/// # Errors
/// As [`scored`].
pub fn document(results: &Results, stage: &Stage) -> Result<String> {
    let document = Document {
        score: results.totals.points,
        execution_time: results.ms.div_ceil(1000),
        output: results.error.clone().unwrap_or_else(|| {
            format!("{}: {} of {} points", results.stage, results.totals.points, results.totals.max)
        }),
        output_format: "text",
        stdout_visibility: "hidden",
        tests: results.with_exercises().map(|(exercise, check)| test(exercise, check, stage)).collect(),
    };
    scored(results, &document)
}

fn test(exercise: Option<&ExerciseResult>, check: &CheckResult, stage: &Stage) -> Test {
    let passed = check.status == Status::Pass;
    let mut known = stage.lab.exercises.iter().flat_map(|exercise| &exercise.checks);
    let visibility = known.find(|known| known.id == check.id).map(|known| known.visibility).unwrap_or_default();
    Test {
        number: check.id.clone(),
        name: check.title.clone(),
        score: check.points,
        max_score: check.max,
        status: if passed { "passed" } else { "failed" },
        output: if passed { String::new() } else { reasons(check, exercise) },
        visibility: match visibility {
            Visibility::Visible => "visible",
            Visibility::AfterDue => "after_due_date",
            Visibility::Hidden => "hidden",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{check, sample};
    use super::*;
    use crate::course::Course;
    use std::path::Path;

    fn stage() -> Stage {
        let mut course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let mut stage = course.stages.remove(0);
        stage.lab.exercises[0].checks[2].visibility = Visibility::AfterDue;
        stage
    }

    #[test]
    fn the_document_reads_well() {
        assert_text!("report-gradescope", document(&sample(), &stage()).unwrap());
    }

    #[test]
    fn a_fault_of_ours_is_no_score() {
        let mut results = sample();
        results.integration = Some(check("1.live", Status::Infra));
        assert!(document(&results, &stage()).unwrap_err().message.contains("no score"));
    }
}
