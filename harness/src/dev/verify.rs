//! `harness dev verify`: proves that the checks tell right from wrong, and one exercise from another.
//!
//! - *starters*: what a student begins with compiles, and fails exactly its own checks, as not attempted;
//! - *reference*: the references together pass, and leave the console that the snapshot says;
//! - *without 1a*: the references but one fail that exercise's checks and no others, save those of exercises that
//!   need it;
//! - *mutants*: each wrong answer compiles, and fails the check that is there to notice. Only that check runs: another one
//!   says nothing about it.
//!
//! Invariant: inputs come from one seed, so what was found once is found again.

use super::mutants::{self, Mutant};
use super::verdicts::{Verdicts, hash_file};
use crate::app::App;
use crate::check::results::{CheckResult, ExerciseResult, Results, Status};
use crate::check::submission::Submission;
use crate::check::{self, Bench, Request, live};
use crate::course::{Exercise, Stage};
use crate::error::{Context, Error, Result};
use crate::guest::{Failure, Guest};
use crate::work::Work;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How a check ends that has noticed something. Whether a wrong answer crashes or hangs may differ from run to run.
const CAUGHT: [Status; 3] = [Status::Fail, Status::Crash, Status::Timeout];

/// What all inputs are drawn from.
const SEED: u64 = 7;

/// How much longer a boot may take that ran out of time.
const PATIENCE: f64 = 3.0;

/// One guest that was looked at.
pub struct Verified {
    /// What it was.
    pub name: String,
    /// What it came to, in a few words.
    pub outcome: String,
    /// In what it was not as it has to be.
    pub problems: Vec<String>,
    /// What the check said; `None` where it did not compile.
    pub results: Option<Results>,
}

/// A guest to look at.
struct Case<'a> {
    name: String,
    /// Exercises that are not the reference's, with their text.
    given: BTreeMap<String, String>,
    expected: Expected<'a>,
}

enum Expected<'a> {
    /// These exercises are not attempted, and all others pass.
    NotAttempted(BTreeSet<&'a str>),
    /// The mutant's check fails.
    Caught(&'a Mutant),
}

/// How to look.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Also at those whose verdict is known.
    pub all: bool,
    /// How often each is booted, which has to come to the same.
    pub repeat: u32,
}

impl Default for How {
    fn default() -> Self {
        Self { all: false, repeat: 1 }
    }
}

/// Looks at all guests of a stage, as many at a time as the machine has processors.
pub fn verify(app: &App, stage: &Stage, how: How) -> Result<Vec<Verified>> {
    let mutants = mutants::load(&app.course.root, stage)?;
    let cases = cases(app, stage, &mutants)?;
    let verdicts = verdicts(app, stage)?;
    let step = app.ui.count(&format!("verifying stage {}", stage.number), cases.len() as u64);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || -> Result<()> {
        let mut bench = Bench::new(app, app.scale(None));
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            step.say(&format!("verifying stage {}: {}", stage.number, case.name));
            let verified = look(&mut bench, stage, case, how, &verdicts);
            if verified.is_err() {
                // Nobody begins another: the first error is the one to tell.
                next.store(cases.len(), Ordering::Relaxed);
            }
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.insert(case.name.clone(), verified?);
            step.at(done.len() as u64);
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(cases.len());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut ended = workers.into_iter().map(|worker| worker.join());
        ended.try_for_each(|ended| ended.unwrap_or_else(|_| Err(Error::fault("a thread that verifies panicked"))))
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut verified: Vec<Verified> = cases.iter().filter_map(|case| done.remove(&case.name)).collect();
    verified.push(coverage(stage, &mutants, &verified));
    Ok(verified)
}

fn cases<'a>(app: &App, stage: &'a Stage, mutants: &'a [Mutant]) -> Result<Vec<Case<'a>>> {
    let root = &app.course.root;
    let exercises = &stage.lab.exercises;
    let read = |folder: PathBuf, exercise: &Exercise| {
        let path = root.join(folder).join(&exercise.file);
        let text = std::fs::read_to_string(&path).on("read", &path)?;
        Ok((exercise.id.clone(), text))
    };
    let sources = || Path::new("stages").join(&stage.package).join("src");
    let solutions = || Path::new("solutions").join(&stage.package);
    let starters: BTreeMap<String, String> =
        exercises.iter().map(|exercise| read(sources(), exercise)).collect::<Result<_>>()?;
    let references: BTreeMap<String, String> =
        exercises.iter().map(|exercise| read(solutions(), exercise)).collect::<Result<_>>()?;
    let ids = || exercises.iter().map(|exercise| exercise.id.as_str());

    let mut cases = vec![
        Case { name: "starters".into(), given: starters.clone(), expected: Expected::NotAttempted(ids().collect()) },
        Case { name: "reference".into(), given: BTreeMap::new(), expected: Expected::NotAttempted(BTreeSet::new()) },
    ];
    for id in ids() {
        let given = starters.iter().filter(|(known, _)| *known == id).map(|(id, text)| (id.clone(), text.clone()));
        let expected = Expected::NotAttempted(BTreeSet::from([id]));
        cases.push(Case { name: format!("without {id}"), given: given.collect(), expected });
    }
    for mutant in mutants {
        let given = mutant.apply(&references[&mutant.exercise])?;
        cases.push(Case {
            name: format!("{} {}", mutant.exercise, mutant.name),
            given: BTreeMap::from([(mutant.exercise.clone(), given)]),
            expected: Expected::Caught(mutant),
        });
    }
    Ok(cases)
}

fn verdicts(app: &App, stage: &Stage) -> Result<Verdicts> {
    let root = &app.course.root;
    let manifest = Path::new("labs").join(&stage.package).join("lab.toml");
    let snapshot = Some(live::snapshot_path(stage.number)).filter(|path| root.join(path).is_file());
    let more: Vec<PathBuf> = [manifest].into_iter().chain(snapshot).collect();
    Verdicts::open(&app.cache, root, stage, &app.toolchain(), &app.test_host()?.id, &more)
}

/// Builds and boots one case, unless its verdict is `known`.
fn look(bench: &mut Bench, stage: &Stage, case: &Case, how: How, verdicts: &Verdicts) -> Result<Verified> {
    let submission = Submission::of(&case.name, case.given.clone());
    let others = stage.lab.exercises.iter().map(|exercise| exercise.id.clone());
    let references: BTreeSet<String> = others.filter(|id| !case.given.contains_key(id)).collect();
    let only = match case.expected {
        Expected::Caught(mutant) => Some(mutant.fails.clone()),
        Expected::NotAttempted(_) => None,
    };
    let request = Request {
        only,
        seed: SEED,
        keep_going: true,
        host_tests: false,
        submission: Some(&submission),
        log: format!(".harness/verify-stage{}.log", stage.number).into(),
        ..Request::new(stage, Work { references, ..Work::on_references(&bench.app.course, stage) })
    };
    let mut sources: Vec<&str> = case.given.iter().flat_map(|(id, text)| [id.as_str(), text]).collect();
    let solutions = request.work.references.iter().map(|id| reference(bench, stage, id)).collect::<Result<Vec<_>>>()?;
    sources.extend(solutions.iter().map(String::as_str));

    let results = match verdicts.of_sources(&sources).filter(|_| !how.all) {
        Some(results) => Ok(results),
        None => fresh(bench, &request, case, &sources, how, verdicts),
    };
    Ok(match results {
        Ok(results) => {
            let problems = problems(stage, case, &results);
            Verified { name: case.name.clone(), outcome: outcome(&results), problems, results: Some(results) }
        }
        Err(Failure::Other(error)) => return Err(error),
        Err(failure @ Failure::Compile(_)) => {
            let problems = vec![Error::from(failure).message];
            Verified { name: case.name.clone(), outcome: "does not compile".into(), problems, results: None }
        }
    })
}

fn reference(bench: &Bench, stage: &Stage, id: &str) -> Result<String> {
    let folder = bench.app.course.root.join("solutions").join(&stage.package);
    let path = folder.join(&stage.exercise(id)?.file);
    std::fs::read_to_string(&path).on("read", &path)
}

fn fresh(
    bench: &mut Bench,
    request: &Request,
    case: &Case,
    sources: &[&str],
    how: How,
    verdicts: &Verdicts,
) -> std::result::Result<Results, Failure> {
    bench.start()?;
    let guest = check::build(bench, request)?;
    let checked = request.only.as_deref().unwrap_or(&request.stage.name);
    let image = format!("{} {checked}", hash_file(&guest.image)?);
    if let Some(results) = verdicts.of_image(&image).filter(|_| !how.all) {
        verdicts.put_sources(sources, &image)?;
        return Ok(results);
    }
    let once = || {
        in_time(bench.scale, |scale| {
            boot(bench, request, &guest, scale).or_else(|error| {
                // A new test host is made then, and says more than the old one's end.
                bench.app.ui.note(&format!("{error}; it is booted once more"));
                boot(bench, request, &guest, scale)
            })
        })
    };
    let (results, bad) = repeat(how.repeat, once, |results| !problems(request.stage, case, results).is_empty())?;
    // What is not as it should be may be so for once.
    if !bad {
        verdicts.put_image(&image, &results)?;
        verdicts.put_sources(sources, &image)?;
    }
    Ok(results)
}

/// One boot, with so much patience.
///
/// # Errors
/// Where the test host failed, and why.
fn boot(bench: &mut Bench, request: &Request, guest: &Guest, scale: f64) -> Result<Results> {
    let usual = std::mem::replace(&mut bench.scale, scale);
    let booted = check::boot_anew(bench, request, guest);
    bench.scale = usual;
    let results = booted?;
    if results.exit() == 70 {
        let failed = results.checks().filter(|check| check.status == Status::Infra);
        let why = failed.filter_map(|check| check.message.clone()).next().or_else(|| results.error.clone());
        return Err(Error::fault(format!("the test host failed: {}", why.unwrap_or_default())));
    }
    Ok(results)
}

/// Does the same so often, up to the first result that is bad; returns the last one, and whether it is.
fn repeat<T>(times: u32, mut once: impl FnMut() -> Result<T>, is_bad: impl Fn(&T) -> bool) -> Result<(T, bool)> {
    let mut done = 1;
    loop {
        let result = once()?;
        let bad = is_bad(&result);
        if bad || done >= times {
            return Ok((result, bad));
        }
        done += 1;
    }
}

/// What a boot comes to, with more patience where its time was short: on a busy machine that says nothing, neither
/// that a reference is wrong nor that a mutant was noticed.
fn in_time(scale: f64, mut boot: impl FnMut(f64) -> Result<Results>) -> Result<Results> {
    let results = boot(scale)?;
    if results.ran_out_of_time() { boot(scale * PATIENCE) } else { Ok(results) }
}

/// Each exercise's status, but passes.
fn outcome(results: &Results) -> String {
    let wrong = results.exercises.iter().filter(|exercise| exercise.status != Status::Pass).map(|exercise| {
        let checks = exercise.checks.iter().filter(|check| check.status != Status::Pass);
        let checks: Vec<&str> = checks.map(|check| check.id.as_str()).collect();
        format!("{}: {}", exercise.status.word(), checks.join(" "))
    });
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() { "passes".into() } else { wrong.join("; ") }
}

fn problems(stage: &Stage, case: &Case, results: &Results) -> Vec<String> {
    let mut problems = Vec::new();
    match &case.expected {
        Expected::NotAttempted(wanted) => {
            for (exercise, manifest) in results.exercises.iter().zip(&stage.lab.exercises) {
                let status = if wanted.contains(exercise.id.as_str()) { Status::NotAttempted } else { Status::Pass };
                let needs_one = stage.needed(manifest).iter().any(|needed| wanted.contains(needed.id.as_str()));
                if status == Status::NotAttempted || !needs_one {
                    problems.extend(differing(exercise, status));
                }
            }
            let whole = if wanted.is_empty() { Status::Pass } else { Status::Blocked };
            problems.extend(results.integration.iter().filter_map(|check| differs(check, whole)));
            let said = results.integration.iter().filter_map(|check| check.message.clone());
            problems.extend(said.filter(|_| wanted.is_empty()));
        }
        Expected::Caught(mutant) => {
            let mut checks = results.exercises.iter().flat_map(|exercise| &exercise.checks);
            match checks.find(|check| check.id == mutant.fails) {
                Some(check) if CAUGHT.contains(&check.status) => {}
                Some(check) => problems.push(format!("{} should fail, and ends as: {}", check.id, check.status.word())),
                None => problems.push(format!("{} is no check of {}", mutant.fails, mutant.exercise)),
            }
        }
    }
    problems
}

fn differing(exercise: &ExerciseResult, wanted: Status) -> impl Iterator<Item = String> {
    exercise.checks.iter().filter_map(move |check| differs(check, wanted))
}

fn differs(check: &CheckResult, wanted: Status) -> Option<String> {
    let problem = || format!("{} should end as: {}, and ends as: {}", check.id, wanted.word(), check.status.word());
    (check.status != wanted).then(problem)
}

/// Whether each check notices something.
fn coverage(stage: &Stage, mutants: &[Mutant], verified: &[Verified]) -> Verified {
    let names: BTreeSet<String> = mutants.iter().map(|mutant| format!("{} {}", mutant.exercise, mutant.name)).collect();
    let results = verified.iter().filter(|one| names.contains(&one.name)).filter_map(|one| one.results.as_ref());
    let checks = results.flat_map(|results| &results.exercises).flat_map(|exercise| &exercise.checks);
    let noticed: BTreeSet<&str> =
        checks.filter(|check| CAUGHT.contains(&check.status)).map(|check| check.id.as_str()).collect();
    let all = stage.lab.exercises.iter().flat_map(|exercise| &exercise.checks);
    let idle = all.clone().filter(|check| !noticed.contains(check.id.as_str()));
    let problems = idle.map(|check| format!("no mutant is noticed by {}", check.id)).collect();
    let outcome = format!("{} of {} checks notice a mutant", noticed.len(), all.count());
    Verified { name: "every check is of use".into(), outcome, problems, results: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::results::tests::{check, sample};

    fn ended(status: Status) -> Results {
        Results { exercises: Vec::new(), integration: Some(check("1.live", status)), ..sample() }
    }

    #[test]
    fn what_is_repeated_ends_at_the_first_that_is_bad() {
        let count = |times, bad| {
            let mut counted = 0;
            let once = || {
                counted += 1;
                Ok(counted)
            };
            repeat(times, once, |count| *count == bad).unwrap()
        };
        assert_eq!([count(1, 5), count(10, 5), count(10, 99)], [(1, false), (5, true), (10, false)]);
    }

    #[test]
    fn what_runs_out_of_time_is_booted_once_more_with_more_patience() {
        for (first, second, boots) in [
            (Status::Timeout, Status::Pass, vec![2.0, 6.0]),
            (Status::Timeout, Status::Timeout, vec![2.0, 6.0]),
            (Status::Fail, Status::Pass, vec![2.0]),
        ] {
            let mut scales = Vec::new();
            let results = in_time(2.0, |scale| {
                scales.push(scale);
                Ok(ended(if scales.len() == 1 { first } else { second }))
            });
            let last = if boots.len() == 1 { first } else { second };
            assert_eq!(results.unwrap().integration.unwrap().status, last);
            assert_eq!(scales, boots);
        }
    }
}
