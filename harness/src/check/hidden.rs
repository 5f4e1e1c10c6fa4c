//! Checks that an instructor keeps outside of the repository.
//!
//! A folder of the stage's package holds `hidden.rs`, which takes the place of the stage's `src/checks/hidden.rs`, and
//! `hidden.toml`, which says for each check what has to be recorded. Inputs need no seed: nobody has seen them.
//!
//! Invariant: what students read says of a hidden check its id and whether it passed, and no more.

use super::expect::{Row, Value};
use super::results::{Results, Status};
use crate::course::{Check, LONGEST_CHECK, Stage, Visibility};
use crate::error::{Context, Error, Kind, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The hidden checks of a stage.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// The stage, with these checks among its own.
    pub stage: Stage,
    /// Their half in the guest.
    pub source: String,
    expected: BTreeMap<String, Vec<Row>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "check")]
    checks: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    title: String,
    #[serde(default)]
    points: u32,
    #[serde(default = "hidden")]
    visibility: Visibility,
    #[serde(default = "Check::default_timeout")]
    timeout: f64,
    #[serde(rename = "record")]
    records: Vec<toml::Table>,
}

fn hidden() -> Visibility {
    Visibility::Hidden
}

/// Where a stage's own file is that the hidden one replaces, from the checkout's root.
pub fn seam(stage: &Stage) -> PathBuf {
    Path::new("stages").join(&stage.package).join("src/checks/hidden.rs")
}

impl Hidden {
    /// Reads the checks for `stage` below `folder`.
    pub fn load(folder: &Path, root: &Path, stage: &Stage) -> Result<Self> {
        if !root.join(seam(stage)).is_file() {
            return Err(Error::usage(format!(
                "{} has no place for hidden checks: {}",
                stage.package,
                seam(stage).display()
            )));
        }
        let folder = folder.join(&stage.package);
        let (toml, rust) = (folder.join("hidden.toml"), folder.join("hidden.rs"));
        let text = std::fs::read_to_string(&toml).on("read", &toml)?;
        let wrong = |text: String| Error::new(Kind::Usage, format!("{}: {text}", toml.display()));
        let file: File = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let mut own = Self {
            stage: stage.clone(),
            source: std::fs::read_to_string(&rust).on("read", &rust)?,
            expected: BTreeMap::new(),
        };
        for entry in file.checks {
            own.add(entry).map_err(wrong)?;
        }
        Ok(own)
    }

    /// What a check of these has to observe; `None` for the stage's own.
    pub fn expected(&self, check: &str) -> Option<&Vec<Row>> {
        self.expected.get(check)
    }

    fn add(&mut self, entry: Entry) -> std::result::Result<(), String> {
        let Entry { id, title, points, visibility, timeout, records } = entry;
        let exercises = &mut self.stage.lab.exercises;
        let exercise =
            exercises.iter_mut().find(|exercise| id.split_once('.').is_some_and(|(of, _)| of == exercise.id));
        let exercise = exercise.ok_or_else(|| format!("`{id}` begins with no exercise of the stage and a dot"))?;
        if exercise.checks.iter().any(|check| check.id == id) {
            return Err(format!("there is a check `{id}` already"));
        }
        if !(timeout > 0.0 && timeout <= LONGEST_CHECK) {
            return Err(format!("{id}: its timeout, {timeout}, is not between 0 and {LONGEST_CHECK} seconds"));
        }
        let rows = records.into_iter().map(|record| row(&id, &title, record)).collect::<std::result::Result<_, _>>()?;
        self.expected.insert(id.clone(), rows);
        exercise.checks.push(Check { id, title, points, explain: String::new(), visibility, timeout });
        Ok(())
    }
}

/// A record: `what` in words, and each other key with its value, or with a list of values of which one is right.
fn row(id: &str, title: &str, record: toml::Table) -> std::result::Result<Row, String> {
    let mut row = Row::new(record.get("what").and_then(toml::Value::as_str).unwrap_or(title));
    for (key, value) in record.into_iter().filter(|(key, _)| key != "what") {
        let text = |value: &toml::Value| match value {
            toml::Value::String(text) => Ok(text.clone()),
            toml::Value::Integer(number) => Ok(number.to_string()),
            _ => Err(format!("{id}: `{key}` is no text, number, or list of these")),
        };
        let value = match &value {
            toml::Value::Array(values) => Value::OneOf(values.iter().map(text).collect::<std::result::Result<_, _>>()?),
            value => Value::Exactly(text(value)?),
        };
        // Rows name their keys in the program's text everywhere else; these few stay as long as the program runs.
        row = row.value(Box::leak(key.into_boxed_str()), value);
    }
    Ok(row)
}

/// Takes out of results what students are not to read; with `after_due`, only what they never are.
pub fn conceal(results: &mut Results, after_due: bool) {
    let secret = |visibility| match visibility {
        Visibility::Visible => false,
        Visibility::AfterDue => !after_due,
        Visibility::Hidden => true,
    };
    for exercise in &mut results.exercises {
        for check in exercise.checks.iter_mut().filter(|check| secret(check.visibility)) {
            check.title = "a check that is not shown".to_owned();
            (check.message, check.ms) = (None, 0);
            check.wrong.clear();
            check.console.clear();
            if matches!(check.status, Status::Crash | Status::Timeout) {
                check.status = Status::Fail;
            }
        }
        // The line may be where a hidden check has led.
        if exercise.checks.iter().filter(|check| !secret(check.visibility)).all(|check| check.status == Status::Pass) {
            exercise.line = None;
        }
        exercise.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::Wrong;
    use super::super::results::tests::sample;
    use super::*;
    use crate::course::Course;
    use std::fs;

    fn load(toml: &str) -> Result<Hidden> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let course = Course::load(&root).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("stage1-console");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("hidden.toml"), toml).unwrap();
        fs::write(own.join("hidden.rs"), "// nothing").unwrap();
        Hidden::load(folder.path(), &root, &course.stages[0])
    }

    #[test]
    fn checks_are_added_to_their_exercise_with_what_they_expect() {
        let hidden = load(
            "[[check]]\nid = '1b.empty'\ntitle = 'an empty page'\npoints = 2\n\
             [[check.record]]\nwhat = 'it'\nresult = 'too_short'\nlength = [0, '-']\n",
        )
        .unwrap();
        let check = hidden.stage.exercise("1b").unwrap().checks.last().unwrap();
        assert_eq!((check.id.as_str(), check.points, check.visibility), ("1b.empty", 2, Visibility::Hidden));
        let row = &hidden.expected("1b.empty").unwrap()[0];
        let values =
            [("length", Value::OneOf(vec!["0".into(), "-".into()])), ("result", Value::Exactly("too_short".into()))];
        assert_eq!((row.what.as_str(), &row.values[..]), ("it", &values[..]));
        assert!(hidden.expected("1b.text").is_none());
    }

    #[test]
    fn a_mistake_is_told_with_its_file() {
        let check =
            |id: &str, value: &str| format!("[[check]]\nid = '{id}'\ntitle = ''\n[[check.record]]\na = {value}\n");
        for (toml, said) in [
            ("x = 1\n".to_owned(), "line 1"),
            (check("9z.x", "1"), "`9z.x` begins with no exercise of the stage and a dot"),
            (check("1b.text", "1"), "there is a check `1b.text` already"),
            (check("1b.x", "1.5"), "1b.x: `a` is no text, number, or list of these"),
        ] {
            let error = load(&toml).unwrap_err().message;
            assert!(error.contains("hidden.toml: ") && error.contains(said), "{error}");
        }
    }

    #[test]
    fn students_read_whether_a_hidden_check_passed_and_no_more() {
        let mut results = sample();
        let checks = &mut results.exercises[0].checks;
        checks[1].visibility = Visibility::AfterDue;
        checks[2].visibility = Visibility::Hidden;
        let mut later = results.clone();
        conceal(&mut results, false);
        let text = serde_json::to_string(&results.exercises[0]).unwrap();
        assert!(!text.contains("panic") && !text.contains("accepted") && !text.contains("crash"), "{text}");
        assert_eq!((results.exercises[0].points, results.exercises[0].line), (5, None));
        conceal(&mut later, true);
        let wrong: &[Wrong] = &later.exercises[0].checks[1].wrong;
        assert_eq!((wrong.len(), later.exercises[0].checks[2].wrong.len()), (2, 0));
    }
}
