//! Starters that a class has: they stay as they were handed out, or its next `git pull` conflicts with work under way.
//!
//! `frozen` in `labs/course.toml` names the tag of the commit that was handed out.

use crate::book::Finding;
use crate::course::{Course, Stage};
use crate::error::{Context, Result};
use crate::{git, given};

/// The stage's starters that are not those of the tag.
///
/// # Errors
/// Where a starter can't be read.
pub fn findings(course: &Course, stage: &Stage) -> Result<Vec<Finding>> {
    let Some(tag) = &course.frozen else { return Ok(Vec::new()) };
    let root = &course.root;
    // What was handed out has a history of its own.
    if root.join(given::FILE).exists() {
        return Ok(Vec::new());
    }
    if let Err(error) = git::run(root, &["rev-parse", "--verify", "--quiet", &format!("{tag}^{{commit}}")]) {
        let what = format!("starters are frozen at `{tag}`, which can't be looked at: {}", error.message);
        return Ok(vec![Finding::new("labs/course.toml", what)]);
    }
    let mut found = Vec::new();
    for exercise in &stage.lab.exercises {
        let file = stage.exercise_path(exercise);
        let path = root.join(&file);
        let now = std::fs::read_to_string(&path).on("read", &path)?;
        // One that was not there then is nobody's yet.
        let then = git::run(root, &["show", &format!("{tag}:./{}", file.display())]);
        if then.is_ok_and(|then| then != now) {
            let what = format!("the starter is not that of `{tag}`, which students work on");
            found.push(Finding::new(file.display(), what));
        }
    }
    Ok(found)
}
