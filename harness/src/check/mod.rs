//! `harness check`: judges the work on a stage, in four tiers that each stop at the first failure.
//!
//! 0. rules: what an exercise file may hold; 1. it compiles and its image is sound; 2. the stage's host tests;
//! 3. one boot under Xen, whose guest reports what it observed while this side knows what it had to observe.
//!
//! Points come from tier 3 alone.

mod bench;
pub mod expect;
mod github;
mod host_tests;
mod isolate;
mod judge;
mod junit;
pub mod live;
mod output;
mod records;
pub mod report;
pub mod results;
pub mod rules;
mod session;
mod stage1;
mod stage3;
mod stages;
pub mod submission;
mod tree;
mod xen;

use crate::app::App;
use crate::cli;
use crate::course::{Exercise, Selection, Stage};
use crate::error::{Context, Error, Kind, Result};
use crate::guest::diagnostics::Diagnostic;
use crate::guest::symbolize::Symbolizer;
use crate::guest::{self, Failure, Guest};
use crate::work::{Base, Work};
pub use bench::Bench;
use results::{CheckResult, ExerciseResult, Results, Status, Totals};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use submission::Submission;

/// What to check.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// The exercises of which the reference is taken.
    pub references: BTreeSet<String>,
    /// The stages below of which the references are taken, by their names.
    pub below: BTreeSet<String>,
    /// The only exercise to check, where one was picked.
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
}

impl<'a> Request<'a> {
    /// A check of the whole stage with this choice of work.
    pub fn new(stage: &'a Stage, work: Work) -> Self {
        Self {
            stage,
            references: work.references,
            below: work.below,
            only: None,
            seed: fastrand::u64(..),
            scale: None,
            keep_going: false,
            host_tests: true,
            submission: None,
        }
    }

    /// The exercises that are neither left out nor a reference's.
    fn mine(&self) -> impl Iterator<Item = &'a Exercise> {
        self.stage.lab.exercises.iter().filter(|exercise| !self.references.contains(&exercise.id))
    }

    /// The cargo features that make the choice of work.
    fn features(&self) -> Vec<String> {
        Work { references: self.references.clone(), below: self.below.clone() }.features(self.stage)
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
        if self.references.len() == self.stage.lab.exercises.len() { "solution" } else { "mine" }
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
    let results = match &arguments.from {
        Some(path) => submission::check(app, &request, path)?,
        None => {
            let results = check(app, &request)?;
            crate::progress::record(app, stage, &results);
            results
        }
    };
    output::write(app, stage, &results, &arguments.outputs)?;
    Ok(results.exit())
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
    Ok(results)
}

/// The tiers from the compiler on. Xen's test host starts meanwhile.
fn tiers(bench: &mut Bench, request: &Request, results: &mut Results) -> Result<()> {
    let image = bench.start()?;
    results.host.image = image.id.clone();
    results.host.replaced = image.replaced.clone();
    let Some(guest) = compile(bench, request, results)? else { return Ok(()) };
    if request.host_tests && !host_tests_pass(bench.app, request, results)? {
        return Ok(());
    }
    boot(bench, request, results, &guest)
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

/// Tier 1: the image to boot, or `None` where the work does not compile or its image is not sound.
fn compile(bench: &mut Bench, request: &Request, results: &mut Results) -> Result<Option<Guest>> {
    match build(bench, request) {
        Ok(guest) => {
            results.image_bytes = Some(guest.sizes.total() as u64);
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
pub(crate) fn build(bench: &mut Bench, request: &Request) -> std::result::Result<Guest, Failure> {
    let mut features = request.features();
    features.push("checks".to_owned());
    let Some(submission) = request.submission else { return bench.app.guest(request.stage, features) };
    let given = request.mine().filter_map(|exercise| {
        let text = submission.file(exercise)?.as_deref().ok()?;
        Some((exercise.id.as_str(), text))
    });
    let (app, tree) = (bench.app, bench.tree()?);
    tree.lay(request.stage, &given.collect::<Vec<_>>(), &request.references)?;
    tree.lay_below(app.course.below(request.stage), &request.below)?;
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

/// Tier 2. Returns whether to go on.
fn host_tests_pass(app: &App, request: &Request, results: &mut Results) -> Result<bool> {
    let features = request.features();
    let step = app.ui.step("Running the host tests");
    let limit = Duration::from_secs_f64(60.0 * app.scale(request.scale));
    let tests = host_tests::run(&app.course.root, &request.stage.package, &features, limit)?;
    drop(step);
    let go_on = tests.status == Status::Pass || request.keep_going;
    results.host_tests = Some(tests);
    Ok(go_on)
}

/// The verdicts on a guest, from its boot alone.
pub(crate) fn boot_anew(bench: &mut Bench, request: &Request, guest: &Guest) -> Result<Results> {
    let mut results = blank(bench.app, request);
    boot(bench, request, &mut results, guest)?;
    Ok(results)
}

/// Everything that the checks of a stage expect for this seed, to tell whether they have changed.
pub(crate) fn expectations(stage: &Stage, seed: u64) -> String {
    let checks = stage.lab.exercises.iter().flat_map(|exercise| &exercise.checks);
    checks.map(|check| format!("{:?}", stages::expected(&check.id, seed, &expect::Facts::default()))).collect()
}

/// Tier 3.
fn boot(bench: &mut Bench, request: &Request, results: &mut Results, guest: &Guest) -> Result<()> {
    let (app, scale) = (bench.app, bench.scale);
    let root = if request.submission.is_some() { bench.tree()?.root() } else { &app.course.root }.to_owned();
    let machine = bench.machine()?;
    let step = app.ui.step(&format!("Running stage {} under Xen", request.stage.number));
    let plan = plan(request, scale);
    let image = std::fs::read(&guest.image).on("read", &guest.image)?;
    let mut domain = xen::XenGuest::new(machine, &image, &request.stage.lab.guest)?;
    let facts = domain.facts()?;
    let start = Instant::now();
    let outcome = session::run(&mut domain, &plan);
    results.guest_ms = start.elapsed().as_millis() as u64;
    drop(step);
    results.host.accelerator = format!("{:?}", machine.accelerator()).to_lowercase();
    results.host.scale = scale;
    results.log = save_log(app, request, &outcome)?;
    let symbols = Symbolizer::open(&guest.elf, &root)?;
    let snapshot = std::fs::read_to_string(app.course.root.join(live::snapshot_path(request.stage.number))).ok();
    let xen_log = if outcome.crashed_silently() { machine.settled_xen_log() } else { String::new() };
    let evidence = judge::Evidence {
        outcome: &outcome,
        facts: &facts,
        symbols: &symbols,
        xen_log: &xen_log,
        first_domain: domain.first_domain(),
        snapshot: snapshot.as_deref().and_then(live::snapshot_text),
    };
    judge::judge(results, request, &evidence);
    drop(domain);
    if outcome.lost.is_some() {
        bench.discard();
    }
    Ok(())
}

fn plan(request: &Request, scale: f64) -> session::Plan {
    let exercises = &request.stage.lab.exercises;
    let checks = exercises.iter().flat_map(|exercise| &exercise.checks);
    let timeouts = checks.map(|check| (check.id.clone(), Duration::from_secs_f64(check.timeout * scale)));
    let left_out = exercises.iter().filter(|exercise| request.only.as_ref().is_some_and(|only| *only != exercise.id));
    session::Plan {
        arguments: String::new(),
        nonce: format!("{:016x}", fastrand::u64(..)),
        seed: request.seed,
        skip: left_out.map(|exercise| exercise.id.clone()).collect(),
        order: exercises.iter().flat_map(|exercise| &exercise.checks).map(|check| check.id.clone()).collect(),
        timeouts: timeouts.collect(),
        patience: Duration::from_secs_f64(request.stage.lab.integration.timeout * scale),
    }
}

fn save_log(app: &App, request: &Request, outcome: &session::Outcome) -> Result<Option<PathBuf>> {
    let relative = PathBuf::from(".harness").join(format!("stage{}.log", request.stage.number));
    let path = app.course.root.join(&relative);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).on("make", folder)?;
    }
    std::fs::write(&path, outcome.log.join("\n") + "\n").on("write", &path)?;
    Ok(Some(relative))
}

/// Results in which nothing has been checked yet.
fn blank(app: &App, request: &Request) -> Results {
    let wanted = |exercise: &&Exercise| request.only.as_ref().is_none_or(|only| *only == exercise.id);
    let stage = request.stage;
    let exercises = stage.lab.exercises.iter().filter(wanted).map(|exercise| {
        let reference = request.references.contains(&exercise.id);
        let checks = exercise.checks.iter().map(|check| blank_check(&check.id, &check.title, check.points));
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
        host: results::Host::default(),
        stage: stage.package.clone(),
        mode: request.mode().to_owned(),
        below: request.below.iter().cloned().collect(),
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
