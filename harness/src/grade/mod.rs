//! `harness grade`: marks what a class has handed in, each entry as `harness check --from` does.
//!
//! Every student gets inputs of their own, drawn from the class's seed and the name. What was marked before and has not
//! changed since is taken from the folder of results, so an interrupted run goes on where it was.
//!
//! Invariant: a fault of the machine is never a mark. It is tried once more, then listed apart, and tried again by the
//! next run. One entry's trouble is no other's.

mod entries;
mod folder;
mod key;
mod write;

use crate::app::App;
use crate::check::hidden::{Hidden, conceal};
use crate::check::results::{Results, Status};
use crate::check::submission::{Submission, check_submission};
use crate::check::{Bench, Request, check_on};
use crate::cli;
use crate::course::{Course, Selection, Stage};
use crate::error::{Context, Error, Kind, Result};
use crate::sandbox::{Limits, Sandbox};
use crate::ui::{Ui, say};
use crate::work::Work;
use entries::Entry;
use folder::Folder;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What became of one entry.
pub struct Graded {
    /// Whose it is.
    pub entry: Entry,
    /// What its inputs were drawn from.
    pub seed: u64,
    /// The mark, or why there is none.
    pub outcome: Outcome,
}

/// A mark, or why there is none.
pub enum Outcome {
    /// As students read it.
    Marked(Box<Results>),
    /// Nothing was handed in.
    Missing,
    /// What was handed in cannot be taken; a sentence.
    Refused(String),
    /// The machine failed, which says nothing about the work.
    Infra(String),
}

/// What all entries have in common.
struct Class<'a> {
    app: App,
    stage: &'a Stage,
    hidden: Option<&'a Hidden>,
    folder: Folder,
    key: String,
    seed: u64,
    arguments: &'a cli::Grade,
}

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Grade) -> Result<u8> {
    let mut entries = entries::read(&arguments.from)?;
    let stage = stage(app, arguments, &entries)?;
    if let Some(only) = &arguments.only {
        entries.retain(|entry| entry.student == *only);
        if entries.is_empty() {
            return Err(Error::usage(format!("there is no entry called `{only}` in {}", arguments.from.display())));
        }
    }
    let folder = arguments.hidden.as_deref();
    let hidden = folder.map(|folder| Hidden::load(folder, &app.course.root, stage)).transpose()?;
    let folder = Folder::open(&arguments.out)?;
    let seed = folder.seed(arguments.seed)?;
    let key = key::common(app, stage, hidden.as_ref(), arguments.after_due)?;
    // Runs beside each other would talk at the same time: what they do is shown here instead.
    let quiet = App {
        course: Course::load(&app.course.root)?,
        ui: Ui::silent(),
        style: app.style,
        locked: app.locked,
        cache: app.cache.clone(),
    };
    let stage = hidden.as_ref().map_or(stage, |hidden| &hidden.stage);
    let class = Class { app: quiet, stage, hidden: hidden.as_ref(), folder, key, seed, arguments };
    // What the machine lacks, it lacks for every entry.
    app.test_host()?;
    let (toolchain, readable) = (Sandbox::find_toolchain(&app.course.root)?, app.course.root.clone());
    let cage = Sandbox { toolchain, readable, writable: app.cache.clone(), limits: Limits::scaled(1.0) };
    if let Some(lack) = cage.lacks() {
        app.ui.note(lack);
    }
    class.prove_hidden(app)?;
    let graded = class.grade(app, entries);
    write::class(&class.folder, class.stage, &graded)?;
    summary(&class, &graded)
}

/// The stage that was asked for, or that the first submission is for.
fn stage<'a>(app: &'a App, arguments: &cli::Grade, entries: &[Entry]) -> Result<&'a Stage> {
    if let Some(selector) = &arguments.stage {
        let Selection { stage, exercise } = app.course.select(selector)?;
        return match exercise {
            None => Ok(stage),
            Some(exercise) => {
                Err(Error::usage(format!("`{}` is an exercise; a stage is graded as a whole", exercise.id)))
            }
        };
    }
    let submissions = entries.iter().flat_map(|entry| &entry.submissions);
    let stages = &app.course.stages;
    let mut found = submissions.filter_map(|path| stages.iter().find(|stage| Submission::read(path, stage).is_ok()));
    let unknown = || Error::usage("no submission says which stage it is for").next("name it: `--stage stage1`");
    found.next().ok_or_else(unknown)
}

impl Class<'_> {
    /// Marks every entry, several at a time.
    fn grade(&self, app: &App, entries: Vec<Entry>) -> Vec<Graded> {
        let jobs = self.arguments.jobs.unwrap_or_else(default_jobs).min(entries.len());
        let step = app.ui.count(&format!("grading {} of {}", self.stage.package, entries.len()), entries.len() as u64);
        let next = AtomicUsize::new(0);
        let done = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    let mut bench = Bench::new(&self.app, self.app.scale(self.arguments.timeout_scale));
                    while let Some((index, entry)) = take(&next, &entries) {
                        let graded = self.one(&mut bench, entry.clone());
                        app.ui.note(&line(&graded));
                        if let Ok(mut done) = done.lock() {
                            done.insert(index, graded);
                            step.at(done.len() as u64);
                        }
                    }
                });
            }
        });
        done.into_inner().unwrap_or_default().into_values().collect()
    }

    fn one(&self, bench: &mut Bench, entry: Entry) -> Graded {
        let seed = key::seed(self.seed, &entry.student);
        let outcome = match &entry.submissions[..] {
            [] => Outcome::Missing,
            [path] if !path.exists() && !path.is_symlink() => {
                Outcome::Refused(format!("there is no submission at {}", path.display()))
            }
            [path] => match Submission::read(path, self.stage) {
                Ok(submission) => self.submission(bench, &entry, &submission, seed),
                Err(error) => Outcome::Refused(error.message),
            },
            several => {
                let names = several.iter().map(|path| entries::escaped(path.file_name().unwrap_or_default()));
                let names: Vec<String> = names.collect();
                Outcome::Refused(format!(
                    "there are several submissions: {}; keep the one that counts",
                    names.join(", ")
                ))
            }
        };
        Graded { entry, seed, outcome }
    }

    /// The mark of a submission: the one that is known, or a new one.
    fn submission(&self, bench: &mut Bench, entry: &Entry, submission: &Submission, seed: u64) -> Outcome {
        let key = key::submission(&self.key, self.stage, submission, seed);
        if let Some(results) = self.folder.known(&entry.student, &key, bench.scale) {
            return Outcome::Marked(Box::new(results));
        }
        let request = self.request(&entry.student, seed);
        let outcome = twice(|again| {
            if again {
                bench.discard();
            }
            attempt(bench, &request, submission)
        });
        let Outcome::Marked(mut results) = outcome else { return outcome };
        // Time may have been short because others took it.
        if results.ran_out_of_time()
            && let Outcome::Marked(again) = attempt(bench, &request, submission)
            && again.totals.points > results.totals.points
        {
            results = again;
        }
        let kept = self.keep(entry, &key, bench.scale, &mut results);
        kept.map_or_else(|error| Outcome::Infra(error.to_string()), |()| Outcome::Marked(results))
    }

    fn request(&self, student: &str, seed: u64) -> Request<'_> {
        Request {
            seed,
            scale: self.arguments.timeout_scale,
            hidden: self.hidden,
            log: self.folder.log(student),
            ..Request::new(self.stage, Work::on_references(&self.app.course, self.stage))
        }
    }

    fn keep(&self, entry: &Entry, key: &str, scale: f64, results: &mut Results) -> Result<()> {
        // Asked now: of a hidden check it is not told.
        let short_at = results.ran_out_of_time().then_some(scale);
        if self.hidden.is_some() {
            self.folder.keep_all(&entry.student, results)?;
        }
        conceal(results, self.arguments.after_due);
        // The console is the instructor's: it may say what a hidden check did.
        results.log = None;
        results.exercises.iter_mut().for_each(|exercise| exercise.log = None);
        write::report(&self.folder, self.stage, &self.app.course.root, &entry.student, results)?;
        self.folder.keep(&entry.student, key, short_at, results)
    }

    /// Hidden checks that the references do not pass would fail everybody.
    fn prove_hidden(&self, app: &App) -> Result<()> {
        let Some(hidden) = self.hidden else { return Ok(()) };
        let _step = app.ui.step("Trying the hidden checks on the references");
        let solutions = self.app.course.root.join("solutions").join(&self.stage.package);
        let files = self.stage.lab.exercises.iter().map(|exercise| {
            let path = solutions.join(&exercise.file);
            Ok((exercise.id.clone(), std::fs::read_to_string(&path).on("read", &path)?))
        });
        let submission = Submission::of("the references", files.collect::<Result<_>>()?);
        let request =
            Request { submission: Some(&submission), host_tests: false, ..self.request(".references", self.seed) };
        let mut bench = Bench::new(&self.app, self.app.scale(self.arguments.timeout_scale));
        let results = check_on(&mut bench, &request)?;
        let exercises = results.exercises.iter();
        let mut checks = exercises.flat_map(|exercise| exercise.checks.iter().map(move |check| (exercise, check)));
        let Some((exercise, check)) = checks.find(|(_, check)| {
            check.status != Status::Pass && (hidden.expected(&check.id).is_some() || check.status == Status::Build)
        }) else {
            return Ok(());
        };
        let said = crate::check::output::reasons(check, Some(exercise));
        let text = format!("the references do not pass the hidden check {}:\n{said}", check.id);
        Err(Error::usage(text).next("mend hidden.rs or hidden.toml"))
    }
}

fn take<'a>(next: &AtomicUsize, entries: &'a [Entry]) -> Option<(usize, &'a Entry)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, entries.get(index)?))
}

/// A boot waits about as long as it computes.
fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Once more where the machine failed: the second word counts.
fn twice(mut attempt: impl FnMut(bool) -> Outcome) -> Outcome {
    match attempt(false) {
        Outcome::Infra(_) => attempt(true),
        outcome => outcome,
    }
}

fn attempt(bench: &mut Bench, request: &Request, submission: &Submission) -> Outcome {
    match check_submission(bench, request, submission) {
        Ok(results) => match infra(&results) {
            None => Outcome::Marked(Box::new(results)),
            Some(why) => Outcome::Infra(why),
        },
        Err(error) => Outcome::Infra(error.to_string()),
    }
}

/// Why the test host did not get to the end of a submission.
fn infra(results: &Results) -> Option<String> {
    let lost = results.checks().find(|check| check.status == Status::Infra)?;
    Some(lost.message.clone().unwrap_or_else(|| "the test host failed".to_owned()))
}

fn line(graded: &Graded) -> String {
    let student = graded.entry.student.escape_debug();
    match &graded.outcome {
        Outcome::Marked(results) => format!("{student}: {} of {} points", results.totals.points, results.totals.max),
        Outcome::Missing => format!("{student}: nothing was handed in"),
        Outcome::Refused(why) | Outcome::Infra(why) => format!("{student}: not graded: {why}"),
    }
}

fn summary(class: &Class, graded: &[Graded]) -> Result<u8> {
    let of = |wanted: fn(&Outcome) -> bool| graded.iter().filter(|one| wanted(&one.outcome)).count();
    let marked = of(|outcome| matches!(outcome, Outcome::Marked(_) | Outcome::Missing));
    let refused = of(|outcome| matches!(outcome, Outcome::Refused(_)));
    let infra = of(|outcome| matches!(outcome, Outcome::Infra(_)));
    let place = class.folder.path().display();
    say(format_args!("{marked} graded, {refused} refused, {infra} not graded for a fault of the machine\n"))?;
    for one in graded.iter().filter(|one| matches!(one.outcome, Outcome::Refused(_) | Outcome::Infra(_))) {
        say(format_args!("  {}\n", line(one)))?;
    }
    let next = match (infra, refused) {
        (0, 0) => format!(
            "read {place}/class.md; {place}/grades.csv holds the points, {place}/reports what each student reads"
        ),
        (0, _) => "look at what was refused, then the same command again: it marks only what is new".to_owned(),
        _ => "`cargo harness doctor` looks at the machine; then the same command again goes on where it was".to_owned(),
    };
    say(format_args!("next: {next}\n"))?;
    Ok(if infra > 0 { Kind::Fault as u8 } else { u8::from(refused > 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_machine_is_tried_once_more_and_is_no_mark() {
        let mut tries = Vec::new();
        let outcome = twice(|again| {
            tries.push(again);
            Outcome::Infra("QEMU died".to_owned())
        });
        assert!(matches!(outcome, Outcome::Infra(_)));
        assert_eq!(tries, [false, true]);
        let recovered = twice(|again| if again { Outcome::Missing } else { Outcome::Infra(String::new()) });
        assert!(matches!(recovered, Outcome::Missing));
        assert!(matches!(twice(|_| Outcome::Refused("empty".to_owned())), Outcome::Refused(_)));
    }
}
