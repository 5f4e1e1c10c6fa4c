//! The proof of a handout: its tools and stages compile, and under Xen its open stage earns nothing.

use crate::app::App;
use crate::cache;
use crate::check::results::{Results, Status, Totals};
use crate::check::{self, Request};
use crate::course::Course;
use crate::error::{Error, Kind, Result};
use crate::process;
use crate::toolchain;
use crate::work::Work;
use std::path::Path;
use std::time::Duration;

/// Compiling everything from nothing takes two minutes on two cores; this is for ones that are slow or busy.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Proves the handout in `folder`, and leaves nothing in it that was built. Returns the points that it earned.
///
/// # Errors
/// Where it isn't as a handout has to be, with the reason.
pub fn prove(app: &App, folder: &Path, release: u32) -> Result<Totals> {
    let proved = compile(app, folder).and_then(|()| boot(app, folder, release));
    cache::remove(&folder.join("target"))?;
    cache::remove(&folder.join(".harness"))?;
    proved
}

/// Everything, as far as errors can be found. What was compiled for this checkout serves here too.
fn compile(app: &App, folder: &Path) -> Result<()> {
    let _step = app.ui.step("Compiling the handout (a minute or two, the first time)");
    let mut cargo = toolchain::cargo(folder);
    cargo.args(["check", "--workspace", "--locked", "--quiet", "--target-dir"]).arg(app.course.root.join("target"));
    let finished = process::run(cargo, PATIENCE)?;
    if finished.success() {
        return Ok(());
    }
    let said = crate::tail(&finished.stderr, 30);
    Err(Error::new(Kind::Build, format!("the handout does not compile:\n{said}")))
}

/// The check that every student starts with.
fn boot(app: &App, folder: &Path, release: u32) -> Result<Totals> {
    let course = Course::load(folder)?;
    let inside = App { course, ui: app.ui.clone(), style: app.style, locked: app.locked, cache: app.cache.clone() };
    let stage = inside.course.select(&release.to_string())?.stage;
    let work = Work::on_references(&inside.course, stage);
    let results = check::check(&inside, &Request::new(stage, work))?;
    match wrong(&results) {
        None => Ok(results.totals),
        Some(what) => {
            let text = format!("a fresh check of the handout's stage {release} doesn't end as it has to: {what}");
            Err(Error::new(Kind::Build, text).next(format!("`cargo harness dev verify stage{release}` says more")))
        }
    }
}

/// The first thing that is not as it is before any work was done.
fn wrong(results: &Results) -> Option<String> {
    let begun = results.exercises.iter().find(|exercise| exercise.status != Status::NotAttempted);
    let begun = begun.map(|exercise| {
        let reason = exercise.message.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
        format!("{} ends as: {}{reason}", exercise.id, exercise.status.word())
    });
    let points = results.totals.points;
    begun.or_else(|| (points > 0).then(|| format!("it earns {points} points")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::results::tests::{check, sample};

    #[test]
    fn only_untouched_exercises_without_points_will_do() {
        let mut results = sample();
        assert_eq!(wrong(&results).as_deref(), Some("1a ends as: fail"));
        results.exercises.retain(|exercise| exercise.id == "1b");
        results.settle();
        assert_eq!(wrong(&results), None);
        results.integration = Some(check("1.live", Status::Pass));
        results.settle();
        assert_eq!(wrong(&results).as_deref(), Some("it earns 5 points"));
    }
}
