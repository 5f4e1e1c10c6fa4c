//! Results for Classroom 50: the `result.json` that its autograders leave, as "Advanced Autograding" in its documentation
//! has it (schema `classroom50/result/v1`). Whose it is stands in the environment, where its runner puts it; when it was
//! handed in, `harness/templates/classroom50/autograder.py` adds.

use super::output::{reasons, scored};
use super::results::{CheckResult, ExerciseResult, Results, Status};
use crate::course::Visibility;
use crate::error::{Error, Result};
use serde::Serialize;

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    #[serde(flatten)]
    identity: Identity,
    score: u32,
    #[serde(rename = "max-score")]
    max_score: u32,
    tests: Vec<Test>,
}

/// Which submission it is.
#[derive(Clone, Debug, Serialize)]
pub struct Identity {
    classroom: String,
    assignment: String,
    submission: String,
    commit: String,
    release: String,
    review: String,
    datetime: String,
}

#[derive(Serialize)]
struct Test {
    #[serde(rename = "test-name")]
    name: String,
    passed: bool,
    score: u32,
    #[serde(rename = "max-score")]
    max_score: u32,
    /// For whoever reads on: the runner keeps what it doesn't know.
    output: String,
}

impl Identity {
    /// As the environment gives it.
    ///
    /// # Errors
    /// Where it is not that of our autograder for Classroom 50.
    pub fn of_the_environment() -> Result<Self> {
        Self::from(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from(given: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let need = |name: &str| {
            let error = || Error::usage(format!("this format is for Classroom 50's runner, which sets {name}"));
            given(name).ok_or_else(|| error().next("choose another: `--format json`"))
        };
        let commit = need("COMMIT_URL")?;
        Ok(Self {
            classroom: need("CLASSROOM")?,
            assignment: need("ASSIGNMENT")?,
            submission: need("SUBMISSION_TAG")?,
            release: need("RELEASE_URL")?,
            review: given("REVIEW_URL").unwrap_or_else(|| commit.clone()),
            datetime: need("SUBMISSION_DATETIME")?,
            commit,
        })
    }
}

/// The document.
///
/// # Errors
/// As [`scored`].
pub fn document(results: &Results, identity: Identity) -> Result<String> {
    let document = Document {
        schema: "classroom50/result/v1",
        identity,
        score: results.totals.points,
        max_score: results.totals.max,
        tests: results.with_exercises().map(|(exercise, check)| test(exercise, check)).collect(),
    };
    scored(results, &document)
}

fn test(exercise: Option<&ExerciseResult>, check: &CheckResult) -> Test {
    let passed = check.status == Status::Pass;
    // What a student may not read yet is in a release that he may.
    let told = !passed && check.visibility == Visibility::Visible;
    Test {
        name: format!("{} {}", check.id, check.title),
        passed,
        score: check.points,
        max_score: check.max,
        output: if told { reasons(check, exercise) } else { String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{check, sample};
    use super::*;

    fn identity() -> Result<Identity> {
        let given = |name: &str| (name != "REVIEW_URL").then(|| format!("<{name}>"));
        Identity::from(given)
    }

    #[test]
    fn the_document_reads_well() {
        assert_text!("report-classroom50", document(&sample(), identity().unwrap()).unwrap());
    }

    #[test]
    fn without_a_runner_or_a_score_there_is_none() {
        let none = Identity::from(|_| None).unwrap_err();
        assert!(none.message.contains("which sets COMMIT_URL"), "{none}");
        let mut results = sample();
        results.integration = Some(check("1.live", Status::Infra));
        assert!(document(&results, identity().unwrap()).unwrap_err().message.contains("no score"));
    }
}
