//! What a check of a stage came to: the data behind every report, and `results.json`.

use crate::course::Visibility;
use crate::error::{Error, Kind};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How something ended.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Pass,
    /// The guest observed something else than it had to.
    Fail,
    /// The student has not begun it.
    NotAttempted,
    /// It never came to it, because of something else.
    Blocked,
    /// It did not end in its time.
    Timeout,
    /// The guest panicked, faulted, or ended in it.
    Crash,
    /// The work does not compile.
    Build,
    /// A rule of the course is broken.
    Rule,
    /// The harness or the test host failed: says nothing about the work.
    Infra,
}

impl Status {
    /// The word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotAttempted => "not attempted",
            Self::Blocked => "blocked",
            Self::Timeout => "timeout",
            Self::Crash => "crash",
            Self::Build => "does not compile",
            Self::Rule => "rule broken",
            Self::Infra => "not checked",
        }
    }

    /// The exit status that one such check leads to.
    fn exit(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail | Self::NotAttempted | Self::Blocked => 1,
            Self::Build => 2,
            Self::Crash | Self::Timeout => 3,
            Self::Rule => 4,
            Self::Infra => 70,
        }
    }
}

/// One check.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CheckResult {
    /// Its id: `1a.full`.
    pub id: String,
    /// What it checks.
    pub title: String,
    /// What students read about it when it is graded.
    #[serde(default)]
    pub visibility: Visibility,
    /// How it ended.
    pub status: Status,
    /// Points earned.
    pub points: u32,
    /// Points to earn.
    pub max: u32,
    /// Each observation that was wrong: what, what it had to be, what it was.
    pub wrong: Vec<Wrong>,
    /// What else there is to say, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Console lines around the end of a check that went wrong.
    pub console: Vec<String>,
    /// Milliseconds it took.
    pub ms: u64,
}

/// One observation that was not as it had to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Wrong {
    /// What was observed.
    pub what: String,
    /// What it had to be.
    pub expected: String,
    /// What it was.
    pub got: String,
}

/// One exercise.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ExerciseResult {
    /// Its id: `1a`.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// The worst of its checks.
    pub status: Status,
    /// Whether the reference was checked in its place, which earns nothing.
    pub reference: bool,
    /// Whether this comes from a run of its own, with the references of all others, that went better.
    pub isolated: bool,
    /// Points earned.
    pub points: u32,
    /// Points to earn.
    pub max: u32,
    /// The file it is in, from the checkout's root.
    pub file: PathBuf,
    /// The line to look at first, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What there is to say about the exercise as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where the console of the guest that this comes from was saved.
    #[serde(default)]
    pub log: Option<PathBuf>,
    /// Milliseconds that its checks took.
    #[serde(default)]
    pub ms: u64,
    /// Its checks, in order.
    pub checks: Vec<CheckResult>,
}

/// Where the check ran.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Host {
    /// `tcg` or `kvm`.
    pub accelerator: String,
    /// What every deadline was multiplied by.
    pub scale: f64,
    /// The test host's id, which names its packages.
    pub image: String,
    /// Packages that stood in for locked ones that the archive no longer has.
    pub replaced: Vec<String>,
}

/// The outcome of `harness check`, and the content of `results.json`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Results {
    /// The version of this format.
    pub schema: u32,
    /// The course's title.
    pub course: String,
    /// The checkout's commit, where it is known.
    pub commit: Option<String>,
    /// The compiler's version.
    pub toolchain: String,
    /// What kept the check from being made, or from its end; `None` where it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Where it ran.
    pub host: Host,
    /// The stage's package.
    pub stage: String,
    /// `mine` or `solution`.
    pub mode: String,
    /// The stages below of which the references were taken; of the others it was the student's work.
    #[serde(default)]
    pub below: Vec<String>,
    /// What the inputs were drawn from; the same seed draws the same inputs.
    pub seed: u64,
    /// Size in bytes of the image that was booted, without its symbol table. Its checks are in it: what is shipped is smaller.
    pub image_bytes: Option<u64>,
    /// The stage's host tests, which earn nothing.
    pub host_tests: Option<HostTests>,
    /// The exercises, in order.
    pub exercises: Vec<ExerciseResult>,
    /// The stage as a whole; `None` where only one exercise was picked.
    pub integration: Option<CheckResult>,
    /// Points earned and to earn.
    pub totals: Totals,
    /// Milliseconds from the command to the report.
    pub ms: u64,
    /// Milliseconds that the guest ran, from its creation to its end, all its boots together.
    pub guest_ms: u64,
    /// Where the guest's whole console was saved.
    pub log: Option<PathBuf>,
}

/// How the stage's host tests went.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HostTests {
    /// How they ended.
    pub status: Status,
    /// How many passed.
    pub passed: u32,
    /// The failed ones, with what they said.
    pub failed: Vec<FailedTest>,
}

/// A host test that failed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FailedTest {
    /// Its path.
    pub name: String,
    /// The exercise that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<String>,
    /// What it printed.
    pub message: String,
}

/// Points.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Totals {
    /// Earned.
    pub points: u32,
    /// To earn.
    pub max: u32,
}

impl ExerciseResult {
    /// Derives status and points from the checks: the first status that is not a pass stands for all.
    pub fn settle(&mut self) {
        let first_wrong = self.checks.iter().find(|check| check.status != Status::Pass);
        self.status = first_wrong.map_or(Status::Pass, |check| check.status);
        self.max = self.checks.iter().map(|check| check.max).sum();
        self.ms = self.checks.iter().map(|check| check.ms).sum();
        self.points = if self.reference { 0 } else { self.checks.iter().map(|check| check.points).sum() };
    }
}

impl Results {
    /// Says that there is no result, and why.
    pub fn fail(&mut self, error: &Error) {
        let status = match error.kind {
            Kind::Build => Status::Build,
            Kind::Rule => Status::Rule,
            _ => Status::Infra,
        };
        let checks = self.exercises.iter_mut().flat_map(|exercise| &mut exercise.checks).chain(&mut self.integration);
        checks.for_each(|check| (check.status, check.points) = (status, 0));
        self.exercises.iter_mut().for_each(|exercise| exercise.message = Some(error.message.clone()));
        self.error = Some(error.to_string());
        self.settle();
    }

    /// Adds up the points.
    pub fn settle(&mut self) {
        self.exercises.iter_mut().for_each(ExerciseResult::settle);
        let exercises = self.exercises.iter();
        let whole = self.integration.as_ref().map_or((0, 0), |whole| (whole.points, whole.max));
        self.totals = Totals {
            points: exercises.clone().map(|exercise| exercise.points).sum::<u32>() + whole.0,
            max: exercises.map(|exercise| exercise.max).sum::<u32>() + whole.1,
        };
    }

    /// The process's exit status: the gravest thing that happened.
    pub fn exit(&self) -> u8 {
        let tests = self.host_tests.iter().map(|tests| tests.status);
        let all: Vec<u8> = self.checks().map(|check| check.status).chain(tests).map(Status::exit).collect();
        // In this order: a fault of the harness makes the rest moot, then what kept the work from running.
        [70, 4, 2, 3, 1].into_iter().find(|status| all.contains(status)).unwrap_or(0)
    }

    /// Every check of the booted guest, with its exercise; that of the stage as a whole has none.
    pub fn with_exercises(&self) -> impl Iterator<Item = (Option<&ExerciseResult>, &CheckResult)> {
        let exercises = self.exercises.iter();
        let checks = exercises.flat_map(|known| known.checks.iter().map(move |check| (Some(known), check)));
        checks.chain(self.integration.iter().map(|whole| (None, whole)))
    }

    /// Every check of the booted guest.
    pub fn checks(&self) -> impl Iterator<Item = &CheckResult> {
        self.exercises.iter().flat_map(|exercise| &exercise.checks).chain(&self.integration)
    }

    /// Whether time was short for a check, which on a busy machine may say nothing about it.
    pub fn ran_out_of_time(&self) -> bool {
        self.checks().any(|check| check.status == Status::Timeout)
    }

    /// Whether a failed host test kept the guest from being booted: then nothing is known about points.
    pub fn stopped_by_host_tests(&self) -> bool {
        self.log.is_none() && self.host_tests.as_ref().is_some_and(|tests| tests.status != Status::Pass)
    }

    /// The first thing that is not right, which is what a student mends next: before all that only stands behind it.
    pub fn first_wrong(&self) -> Option<(&ExerciseResult, &CheckResult)> {
        let first = |wrong: fn(Status) -> bool| {
            let mut exercises = self.exercises.iter();
            exercises.find_map(|exercise| Some((exercise, exercise.checks.iter().find(|check| wrong(check.status))?)))
        };
        first(|status| !matches!(status, Status::Pass | Status::Blocked)).or_else(|| first(|it| it == Status::Blocked))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn check(id: &str, status: Status) -> CheckResult {
        let points = if status == Status::Pass { 5 } else { 0 };
        CheckResult {
            id: id.to_owned(),
            title: String::new(),
            visibility: Visibility::Visible,
            status,
            points,
            max: 5,
            wrong: Vec::new(),
            message: None,
            console: Vec::new(),
            ms: 0,
        }
    }

    /// Results with something of everything.
    pub(crate) fn sample() -> Results {
        let exercise = |id: &str, line, checks| ExerciseResult {
            id: id.to_owned(),
            title: "Read <start_info>".into(),
            status: Status::Blocked,
            reference: false,
            isolated: false,
            points: 0,
            max: 0,
            file: PathBuf::from(format!("stages/stage1-console/src/{id}.rs")),
            line,
            message: None,
            log: None,
            ms: 0,
            checks,
        };
        let wrong = |what: &str| Wrong { what: what.into(), expected: "5".into(), got: "6".into() };
        let fail = CheckResult { wrong: vec![wrong("accepted"), wrong("bytes")], ..check("1a.full", Status::Fail) };
        let console = vec!["panic at ring.rs:8".to_owned()];
        let crash = CheckResult {
            message: Some("panic: 100% \"full\"".into()),
            console,
            ms: 1234,
            ..check("1a.wrap", Status::Crash)
        };
        let built = [check("1c.one", Status::Build), check("1c.two", Status::Build)];
        let mut results = Results {
            schema: 1,
            course: String::new(),
            commit: None,
            toolchain: String::new(),
            error: None,
            host: Host::default(),
            stage: "stage1-console".into(),
            mode: "mine".into(),
            below: Vec::new(),
            seed: 7,
            image_bytes: None,
            host_tests: Some(HostTests { status: Status::Pass, passed: 6, failed: Vec::new() }),
            exercises: vec![
                exercise("1a", Some(8), vec![check("1a.fits", Status::Pass), fail, crash]),
                exercise("1b", Some(30), vec![check("1b.one", Status::NotAttempted)]),
                ExerciseResult {
                    message: Some("error[E0308]: mismatched\ntypes".into()),
                    ..exercise("1c", None, built.into())
                },
            ],
            integration: Some(check("1.live", Status::Blocked)),
            totals: Totals::default(),
            ms: 4321,
            guest_ms: 0,
            log: None,
        };
        results.settle();
        results
    }

    #[test]
    fn the_gravest_status_decides_how_the_process_ends() {
        assert_eq!(Status::NotAttempted.exit(), 1);
        let order = [Status::Infra, Status::Rule, Status::Build, Status::Timeout, Status::Fail];
        let exits: Vec<u8> = order.into_iter().map(Status::exit).collect();
        assert_eq!(exits, [70, 4, 2, 3, 1]);
    }

    #[test]
    fn where_there_is_no_result_it_is_told_why_and_nobody_has_points() {
        for (kind, status, exit) in
            [(Kind::Missing, Status::Infra, 70), (Kind::Build, Status::Build, 2), (Kind::Rule, Status::Rule, 4)]
        {
            let mut results = sample();
            results.fail(&Error::new(kind, "no disk").next("buy one"));
            assert_eq!((results.totals.points, results.exit()), (0, exit));
            assert!(results.checks().all(|check| check.status == status && check.points == 0));
            assert_eq!(results.error.as_deref(), Some("no disk\n  next: buy one"));
        }
    }

    #[test]
    fn a_reference_earns_nothing() {
        let mut exercise = ExerciseResult {
            id: "1a".into(),
            title: String::new(),
            status: Status::Blocked,
            reference: true,
            isolated: false,
            points: 9,
            max: 0,
            file: PathBuf::new(),
            line: None,
            message: None,
            log: None,
            ms: 0,
            checks: vec![check("1a.x", Status::Pass)],
        };
        exercise.settle();
        assert_eq!((exercise.status, exercise.points, exercise.max), (Status::Pass, 0, 5));
    }
}
