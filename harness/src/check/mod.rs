//! `harness check`: judges the work on a stage, in four tiers that each stop at the first failure.
//!
//! 0. rules: what an exercise file may hold; 1. it compiles and its image is sound; 2. the stage's host tests;
//! 3. one boot under Xen, whose guest reports what it observed while this side knows what it had to observe.
//!
//! Points come from tier 3 alone.

mod bench;
mod boot;
mod classroom50;
mod compile;
pub mod expect;
mod frames;
mod github;
mod gradescope;
pub mod hidden;
mod host_tests;
mod isolate;
mod judge;
mod junit;
pub mod live;
pub(crate) mod output;
mod outside;
mod records;
pub mod report;
pub mod results;
pub mod rules;
mod seal;
mod session;
pub(crate) mod sources;
mod stage1;
mod stage2;
mod stage3;
mod stage4;
mod stage5;
mod stage6;
mod stage7;
mod stages;
pub mod submission;
mod tree;
mod xen;

use crate::app::App;
use crate::cli;
use crate::course::{Exercise, Selection, Stage, Visibility};
use crate::error::{Context, Error, Kind, Result};
use crate::guest::LONGEST_BUILD;
use crate::work::{Base, Work};
pub use bench::Bench;
pub(crate) use boot::boot_anew;
pub(crate) use compile::build;
use hidden::Hidden;
use results::{CheckResult, ExerciseResult, Results, Status, Totals};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use submission::Submission;
pub(crate) use tree::COPIES;

/// How long a stage's host tests may take together, on the reference machine: they take a second.
const LONGEST_TEST: Duration = Duration::from_secs(60);

/// What to check.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// Whose work it is.
    pub work: Work,
    /// The only exercise to check, or the only one of its checks, where one was picked.
    pub only: Option<String>,
    /// What inputs are drawn from.
    pub seed: u64,
    /// What deadlines are multiplied by; measured on this machine where none is given.
    pub scale: Option<f64>,
    /// Whether nothing that fails is a reason to stop.
    pub keep_going: bool,
    /// Whether the stage's host tests run.
    pub host_tests: bool,
    /// Where the exercises come from, if not from the checkout.
    pub submission: Option<&'a Submission>,
    /// Checks that are not in the checkout; they go with a submission only, and `stage` holds them.
    pub hidden: Option<&'a Hidden>,
    /// Where the guest's console is saved, from the checkout's root.
    pub log: PathBuf,
}

impl<'a> Request<'a> {
    /// A check of the whole stage with this choice of work.
    pub fn new(stage: &'a Stage, work: Work) -> Self {
        Self {
            stage,
            work,
            only: None,
            seed: fastrand::u64(..),
            scale: None,
            keep_going: false,
            host_tests: true,
            submission: None,
            hidden: None,
            log: Path::new(".harness").join(format!("stage{}.log", stage.number)),
        }
    }

    /// Whether this exercise, or this check, is among what was picked.
    fn wants(&self, id: &str) -> bool {
        let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        self.only.as_deref().is_none_or(|only| only == id || within(id, only) || within(only, id))
    }

    /// The exercises that are neither left out nor a reference's.
    fn mine(&self) -> impl Iterator<Item = &'a Exercise> {
        self.stage.lab.exercises.iter().filter(|exercise| !self.work.references.contains(&exercise.id))
    }

    /// The cargo features that make the choice of work.
    fn features(&self) -> Vec<String> {
        self.work.features(self.stage)
    }

    /// The text of an exercise; in a submission perhaps why it is not taken.
    fn source(&self, app: &App, exercise: &Exercise) -> Result<submission::Taken> {
        match self.submission.and_then(|submission| submission.file(exercise)) {
            Some(taken) => Ok(taken.clone()),
            None => {
                let path = app.course.root.join(self.stage.exercise_path(exercise));
                std::fs::read_to_string(&path).on("read", &path).map(Ok)
            }
        }
    }

    /// `solution` where every exercise is the reference's, else `mine`.
    fn mode(&self) -> &'static str {
        if self.submission.is_some() {
            return "submission";
        }
        if self.work.references.len() == self.stage.lab.exercises.len() { "solution" } else { "mine" }
    }
}

/// Runs `harness check` and returns the exit status.
pub fn command(app: &App, arguments: &cli::Check) -> Result<u8> {
    let Selection { stage, exercise } = app.course.select(&arguments.selector)?;
    let only = arguments.only.as_deref().map(|id| stage.exercise(id)).transpose()?.or(exercise);
    let work = match (&arguments.from, arguments.whose.base) {
        // What was handed in is judged by itself, whatever is in this checkout.
        (Some(_), Base::Auto) => Work::on_references(&app.course, stage),
        _ => Work::chosen(app, stage, &arguments.whose)?,
    };
    let request = Request {
        only: only.map(|exercise| exercise.id.clone()),
        seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..)),
        scale: arguments.timeout_scale,
        keep_going: arguments.keep_going,
        ..Request::new(stage, work)
    };
    // From here on the files say what became of the check, also where it doesn't come to its end.
    let mut unmade = blank(app, &request);
    unmade.fail(&Error::fault("the check has not ended: it is under way, or it was interrupted"));
    output::write_files(app, stage, &unmade, &arguments.outputs)?;
    let checked = rules::given::holds(&app.course.root).and_then(|()| match &arguments.from {
        Some(path) => submission::check(app, &request, path),
        None => check(app, &request),
    });
    match checked {
        Ok(results) => {
            if arguments.from.is_none() {
                crate::progress::record(app, stage, &results);
            }
            output::write(app, stage, &results, &arguments.outputs)?;
            Ok(results.exit())
        }
        Err(error) => {
            unmade.fail(&error);
            let written = output::write_files(app, stage, &unmade, &arguments.outputs);
            written.unwrap_or_else(|second| app.ui.note(&second.to_string()));
            Err(error)
        }
    }
}

/// Checks a stage.
///
/// # Errors
/// Only for what kept the check from being made; work that fails it is a result.
pub fn check(app: &App, request: &Request) -> Result<Results> {
    check_on(&mut Bench::new(app, app.scale(request.scale)), request)
}

/// Checks a stage on a bench that may serve other checks as well.
///
/// # Errors
/// As [`check`].
pub fn check_on(bench: &mut Bench, request: &Request) -> Result<Results> {
    let start = Instant::now();
    let mut results = together(bench, request)?;
    isolate::explain_early_stop(request, &mut results);
    isolate::give_partial_credit(bench, request, &mut results)?;
    results.ms = start.elapsed().as_millis() as u64;
    Ok(results)
}

/// All exercises in one guest.
fn together(bench: &mut Bench, request: &Request) -> Result<Results> {
    let mut results = blank(bench.app, request);
    if rules_hold(bench.app, request, &mut results)? {
        tiers(bench, request, &mut results)?;
    }
    results.settle();
    point_at_functions(bench.app, request, &mut results)?;
    Ok(results)
}

/// Where nothing tells more, a wrong exercise's line is that of the first function that is to be written.
fn point_at_functions(app: &App, request: &Request, results: &mut Results) -> Result<()> {
    for result in results.exercises.iter_mut().filter(|result| result.line.is_none()) {
        let exercise = request.stage.exercise(&result.id)?;
        // The file may be another's, which doesn't compile.
        let own = result.file == request.stage.exercise_path(exercise);
        if own
            && matches!(result.status, Status::Fail | Status::Crash | Status::Timeout)
            && let (Ok(source), Some(function)) = (request.source(app, exercise)?, exercise.functions.first())
        {
            result.line = rules::function_line(&source, function);
        }
    }
    Ok(())
}

/// The tiers from the compiler on. Xen's test host starts meanwhile.
fn tiers(bench: &mut Bench, request: &Request, results: &mut Results) -> Result<()> {
    let image = bench.start()?;
    results.host.image = image.id.clone();
    results.host.replaced = image.replaced.clone();
    let Some(guest) = compile::compile(bench, request, results)? else { return Ok(()) };
    if request.host_tests && !host_tests_pass(bench.app, request, results)? {
        return Ok(());
    }
    boot::boot(bench, request, results, &guest)
}

/// Tier 0, on the files that are the student's.
fn rules_hold(app: &App, request: &Request, results: &mut Results) -> Result<bool> {
    let mut hold = true;
    for exercise in request.mine() {
        let relative = request.stage.exercise_path(exercise);
        let result = results.exercises.iter_mut().find(|result| result.id == exercise.id);
        let source = match (request.source(app, exercise)?, result) {
            (Ok(source), _) => source,
            (Err(reason), Some(result)) => {
                hold = false;
                fail_all(result, Status::Rule, &reason);
                continue;
            }
            (Err(reason), None) => return Err(Error::new(Kind::Rule, reason)),
        };
        let result = results.exercises.iter_mut().find(|result| result.id == exercise.id);
        if request.submission.is_some()
            && let Some(line) = rules::unreadable(&source)
        {
            // What cannot be read by the rules is not given to a compiler that might read it after all.
            let text = "this is not Rust: a bracket or a quote is not closed, or stands where it may not";
            match result {
                Some(result) => {
                    hold = false;
                    result.line = Some(line);
                    fail_all(result, Status::Build, text);
                    continue;
                }
                None => return Err(Error::new(Kind::Build, format!("{}:{line}: {text}", relative.display()))),
            }
        }
        let broken = rules::violations(&source, &exercise.allow).into_iter().next();
        match (result, broken) {
            (Some(result), None) => result.line = rules::todo_line(&source),
            (Some(result), Some(broken)) => {
                hold = false;
                result.line = Some(broken.line);
                fail_all(result, Status::Rule, &broken.to_string());
            }
            // Compiled in all the same, though not checked.
            (None, Some(broken)) => {
                let text = format!("{}:{}: {broken}", relative.display(), broken.line);
                return Err(Error::new(Kind::Rule, text));
            }
            (None, None) => {}
        }
    }
    Ok(hold)
}

/// Tier 2: all of the stage's host tests, or those of what was picked. Returns whether to go on.
fn host_tests_pass(app: &App, request: &Request, results: &mut Results) -> Result<bool> {
    let step = app.ui.step("Running the host tests");
    let picked = request.stage.lab.exercises.iter().filter(|exercise| request.wants(&exercise.id));
    let picked: Vec<_> = picked.filter(|_| request.only.is_some()).collect();
    let limits = [LONGEST_BUILD, LONGEST_TEST].map(|limit| limit.mul_f64(app.scale(request.scale)));
    results.host_tests = host_tests::run(&app.course.root, request.stage, &request.features(), &picked, limits)?;
    drop(step);
    Ok(request.keep_going || results.host_tests.as_ref().is_none_or(|tests| tests.status == Status::Pass))
}

/// Results in which nothing has been checked yet.
fn blank(app: &App, request: &Request) -> Results {
    let stage = request.stage;
    let exercises = stage.lab.exercises.iter().filter(|exercise| request.wants(&exercise.id)).map(|exercise| {
        let reference = request.work.references.contains(&exercise.id);
        let checks = exercise.checks.iter().filter(|check| request.wants(&check.id)).map(|check| CheckResult {
            visibility: check.visibility,
            ..blank_check(&check.id, &check.title, check.points)
        });
        let solution = PathBuf::from("solutions").join(&stage.package).join(&exercise.file);
        ExerciseResult {
            id: exercise.id.clone(),
            title: exercise.title.clone(),
            status: Status::Blocked,
            reference,
            isolated: false,
            points: 0,
            max: 0,
            file: if reference { solution } else { stage.exercise_path(exercise) },
            line: None,
            message: None,
            log: None,
            ms: 0,
            checks: checks.collect(),
        }
    });
    let exercises = exercises.collect();
    let whole = &stage.lab.integration;
    Results {
        schema: 1,
        course: app.course.title.clone(),
        commit: app.commit(),
        toolchain: app.toolchain(),
        error: None,
        host: results::Host::default(),
        stage: stage.package.clone(),
        mode: request.mode().to_owned(),
        below: request.work.below.iter().cloned().collect(),
        seed: request.seed,
        image_bytes: None,
        host_tests: None,
        exercises,
        integration: request.only.is_none().then(|| blank_check(&whole.id, &whole.title, whole.points)),
        totals: Totals::default(),
        ms: 0,
        guest_ms: 0,
        log: None,
    }
}

fn blank_check(id: &str, title: &str, points: u32) -> CheckResult {
    CheckResult {
        id: id.to_owned(),
        title: title.to_owned(),
        visibility: Visibility::Visible,
        status: Status::Blocked,
        points: 0,
        max: points,
        wrong: Vec::new(),
        message: None,
        console: Vec::new(),
        ms: 0,
    }
}

/// Gives every check of an exercise the same verdict, and the exercise the reason.
fn fail_all(result: &mut ExerciseResult, status: Status, message: &str) {
    result.checks.iter_mut().for_each(|check| check.status = status);
    result.message = Some(message.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;

    #[test]
    fn an_exercise_or_one_of_its_checks_can_be_picked() {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let stage = &course.stages[0];
        let picked = |only: Option<&str>| {
            let only = only.map(str::to_owned);
            let request = Request { only, ..Request::new(stage, Work::on_references(&course, stage)) };
            ["1a", "1a.fits", "1a.wrap", "1b"].map(|id| request.wants(id))
        };
        assert_eq!(picked(None), [true; 4]);
        assert_eq!(picked(Some("1a")), [true, true, true, false]);
        assert_eq!(picked(Some("1a.fits")), [true, true, false, false]);
    }
}
