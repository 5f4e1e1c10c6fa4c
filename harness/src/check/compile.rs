//! Tier 1: from exercises to an image, and whose an error of the compiler's is.
//!
//! Work of the checkout is compiled in place; what somebody has handed in, in a tree of its own and in a cage.

use super::results::{Results, Status};
use super::{Bench, Request, fail_all, hidden};
use crate::course::Stage;
use crate::error::{Kind, Result};
use crate::guest::diagnostics::Diagnostic;
use crate::guest::{self, Failure, Guest};
use std::path::PathBuf;

/// Tier 1: the image to boot, or `None` where the work does not compile or its image is not sound.
pub(super) fn compile(bench: &mut Bench, request: &Request, results: &mut Results) -> Result<Option<Guest>> {
    match build(bench, request) {
        Ok(guest) => {
            results.image_bytes = Some(guest.sizes.stripped as u64);
            Ok(Some(guest))
        }
        Err(Failure::Compile(diagnostics)) => {
            blame(results, request.stage, &diagnostics);
            Ok(None)
        }
        // The compiler was stopped, or its image is not sound: whose fault it is, isolated runs tell.
        Err(Failure::Other(error)) if error.kind == Kind::Build && request.keep_going => {
            results.exercises.iter_mut().for_each(|result| fail_all(result, Status::Build, &error.to_string()));
            Ok(None)
        }
        Err(Failure::Other(error)) => Err(error),
    }
}

/// Builds the guest of a check.
pub fn build(bench: &mut Bench, request: &Request) -> std::result::Result<Guest, Failure> {
    let mut features = request.features();
    features.push("checks".to_owned());
    let Some(submission) = request.submission else { return bench.app.guest(request.stage, features) };
    let given = request.mine().filter_map(|exercise| {
        let text = submission.file(exercise)?.as_deref().ok()?;
        Some((exercise.id.as_str(), text))
    });
    let (app, tree) = (bench.app, bench.tree()?);
    tree.lay(request.stage, &given.collect::<Vec<_>>(), &request.work.references)?;
    tree.lay_below(app.course.below(request.stage), &request.work.below)?;
    if let Some(hidden) = request.hidden {
        tree.put(&hidden::seam(request.stage), &hidden.source)?;
    }
    guest::make(&tree.request(request.stage, features), &app.ui)
}

/// Puts each of the compiler's errors to the exercise whose file it is in.
fn blame(results: &mut Results, stage: &Stage, diagnostics: &[Diagnostic]) {
    let errors = || diagnostics.iter().filter(|diagnostic| diagnostic.error);
    for result in &mut results.exercises {
        let own = |diagnostic: &&Diagnostic| diagnostic.file.as_deref().is_some_and(|file| result.file == file);
        let mine: Vec<&Diagnostic> = errors().filter(own).collect();
        let Some(first) = mine.first() else { continue };
        result.line = first.line.map(|line| line as usize);
        fail_all(result, Status::Build, &rendered(mine.into_iter()));
    }
    // An error in a given file follows from an exercise whose signature changed: nobody in particular's.
    if !results.exercises.iter().any(|result| result.checks.iter().any(|check| check.status == Status::Build)) {
        let text = rendered(errors());
        results.exercises.iter_mut().for_each(|result| fail_all(result, Status::Build, &text));
        // An exercise that is compiled in though not checked: it is the one to mend.
        let others: Vec<PathBuf> = stage.lab.exercises.iter().map(|exercise| stage.exercise_path(exercise)).collect();
        let other = errors()
            .find_map(|error| Some((others.iter().find(|other| error.file.as_ref() == Some(other))?, error.line)));
        if let (Some((file, line)), [only]) = (other, &mut results.exercises[..]) {
            only.file.clone_from(file);
            only.line = line.map(|line| line as usize);
        }
    }
}

/// The compiler's first errors in its own words. Thousands of them say no more.
fn rendered<'a>(errors: impl Iterator<Item = &'a Diagnostic> + Clone) -> String {
    const MOST: usize = 10;
    let mut texts: Vec<&str> = errors.clone().take(MOST).map(|error| error.rendered.trim_end()).collect();
    let more = errors.count().saturating_sub(MOST);
    let more = format!("and {more} more");
    if more != "and 0 more" {
        texts.push(&more);
    }
    texts.join("\n\n")
}
