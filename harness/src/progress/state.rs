//! Where a student stands: each exercise's state, from its file as it is now and from what the last check found.

use super::key::Keys;
use super::{Entry, Progress};
use crate::app::App;
use crate::check::results::Status;
use crate::check::rules;
use crate::course::{Exercise, Stage};
use crate::error::{Context, Result};

/// How far an exercise is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The starter.
    NotBegun,
    /// Worked on, and not checked as it is now.
    Begun,
    /// The last check was of this content, and found this.
    Failed(Status),
    /// Passed, and edited since.
    Stale,
    /// Passed as it is now.
    Passed,
}

impl State {
    fn new(entry: &Entry, key: &str, untouched: bool) -> Self {
        match &entry.last {
            Some(last) if last.key == key => match last.status {
                Status::Pass => Self::Passed,
                // Of several functions some may be there already.
                Status::NotAttempted if last.points == 0 => Self::NotBegun,
                Status::NotAttempted => Self::Begun,
                status => Self::Failed(status),
            },
            _ if untouched => Self::NotBegun,
            Some(last) if last.status == Status::Pass => Self::Stale,
            _ => Self::Begun,
        }
    }

    /// The word that lists use.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotBegun => "not begun",
            Self::Begun => "begun",
            Self::Failed(status) => status.word(),
            Self::Stale => "stale",
            Self::Passed => "passed",
        }
    }
}

/// One exercise, or a stage as a whole, and how far it is.
#[derive(Clone, Debug)]
pub struct Standing {
    /// How far it is.
    pub state: State,
    /// The points of the last check, if that was of this content.
    pub points: Option<u32>,
    /// All else that is known.
    pub entry: Entry,
}

impl Standing {
    fn new(entry: Entry, key: &str, untouched: bool) -> Self {
        let state = State::new(&entry, key, untouched);
        let points = entry.last.as_ref().filter(|last| last.key == key).map(|last| last.points);
        Self { state, points, entry }
    }

    /// Reads how far an exercise is.
    pub fn of(app: &App, stage: &Stage, exercise: &Exercise) -> Result<Self> {
        let progress = Progress::load(&app.course.root, &app.ui)?;
        Self::read(app, stage, exercise, &progress, &Keys::new(&app.course, stage)?)
    }

    fn read(app: &App, stage: &Stage, exercise: &Exercise, progress: &Progress, keys: &Keys) -> Result<Self> {
        let path = app.course.root.join(stage.exercise_path(exercise));
        let source = std::fs::read_to_string(&path).on("read", &path)?;
        let entry = progress.entry(&exercise.id);
        let with_reference = entry.last.as_ref().map(|last| last.with_reference.clone()).unwrap_or_default();
        let key = keys.exercise(exercise, &with_reference)?;
        Ok(Self::new(entry, &key, rules::todo_line(&source).is_some()))
    }
}

/// Where a student stands in one stage.
pub struct StageStanding<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// Its exercises.
    pub exercises: Vec<(&'a Exercise, Standing)>,
    /// The stage as a whole.
    pub whole: Standing,
}

impl<'a> StageStanding<'a> {
    /// What is left to do in this stage.
    fn next(&self) -> Option<Next<'a>> {
        let open = |standing: &Standing| standing.state != State::Passed && !standing.entry.gave_up;
        if let Some((exercise, standing)) = self.exercises.iter().find(|(_, standing)| open(standing)) {
            return Some(Next::Exercise(self.stage, exercise, standing.state));
        }
        let complete = self.exercises.iter().all(|(_, standing)| standing.state == State::Passed);
        (complete && self.whole.state != State::Passed).then_some(Next::Whole(self.stage))
    }
}

/// Where a student stands in the whole course.
pub struct Summary<'a> {
    /// The stages, in order.
    pub stages: Vec<StageStanding<'a>>,
}

/// The one next thing to do.
#[derive(Clone, Copy, Debug)]
pub enum Next<'a> {
    /// Work on an exercise, which is in this state.
    Exercise(&'a Stage, &'a Exercise, State),
    /// Check a stage as a whole: its exercises pass.
    Whole(&'a Stage),
    /// Nothing is left.
    Done,
}

impl<'a> Summary<'a> {
    /// Reads it.
    pub fn read(app: &'a App) -> Result<Self> {
        let progress = Progress::load(&app.course.root, &app.ui)?;
        let stages = app.course.stages.iter().map(|stage| {
            let keys = Keys::new(&app.course, stage)?;
            let standing = |exercise| Ok((exercise, Standing::read(app, stage, exercise, &progress, &keys)?));
            let exercises = stage.lab.exercises.iter().map(standing).collect::<Result<Vec<_>>>()?;
            let whole = Standing::new(progress.entry(&stage.lab.integration.id), &keys.stage()?, true);
            Ok(StageStanding { stage, exercises, whole })
        });
        Ok(Self { stages: stages.collect::<Result<_>>()? })
    }

    /// The next thing to do. An exercise whose solution was shown is no longer asked for.
    pub fn next(&self) -> Next<'a> {
        self.stages.iter().find_map(StageStanding::next).unwrap_or(Next::Done)
    }

    /// The next thing to do for somebody who works on the stage of this number.
    pub fn next_in(&self, stage: u32) -> Next<'a> {
        let here = self.stages.iter().find(|standing| standing.stage.number == stage);
        here.and_then(StageStanding::next).unwrap_or_else(|| self.next())
    }

    /// Exercises passed and all of them, points earned and all of them.
    pub fn totals(&self) -> [u32; 4] {
        let mut totals = [0; 4];
        for StageStanding { stage, exercises, whole } in &self.stages {
            totals[0] += exercises.iter().filter(|(_, standing)| standing.state == State::Passed).count() as u32;
            totals[1] += exercises.len() as u32;
            let earned = exercises.iter().map(|(_, standing)| standing).chain([whole]);
            totals[2] += earned.filter_map(|standing| standing.points).sum::<u32>();
            totals[3] += stage.points();
        }
        totals
    }
}

impl std::fmt::Display for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exercise(stage, exercise, state) => {
                let (id, file) = (&exercise.id, stage.exercise_path(exercise));
                let file = file.display();
                match state {
                    State::NotBegun | State::Passed => write!(f, "edit {file}, then `cargo harness check {id}`"),
                    State::Begun => write!(f, "`cargo harness check {id}` checks what is in {file}"),
                    State::Stale => {
                        write!(f, "`cargo harness check {id}`: it passed, and its files have changed since")
                    }
                    State::Failed(_) => write!(f, "edit {file}, then `cargo harness check {id}`"),
                }
            }
            Self::Whole(stage) => {
                write!(f, "`cargo harness check stage{}` checks the whole stage", stage.number)
            }
            Self::Done => write!(f, "nothing: every exercise of this checkout passes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Last;
    use super::*;

    fn entry(status: Status, points: u32) -> Entry {
        let last = Last { status, points, key: "now".into(), with_reference: Vec::new() };
        Entry { passed: status == Status::Pass, last: Some(last), ..Entry::default() }
    }

    #[test]
    fn a_result_counts_for_the_content_it_was_found_for() {
        let pass = entry(Status::Pass, 30);
        assert_eq!(State::new(&pass, "now", false), State::Passed);
        assert_eq!(State::new(&pass, "later", false), State::Stale);
        // Put back to the starter.
        assert_eq!(State::new(&pass, "later", true), State::NotBegun);
        let crash = entry(Status::Crash, 6);
        assert_eq!(State::new(&crash, "now", false), State::Failed(Status::Crash));
        assert_eq!(State::new(&crash, "later", false), State::Begun);
    }

    #[test]
    fn half_of_an_exercise_is_begun() {
        assert_eq!(State::new(&Entry::default(), "now", true), State::NotBegun);
        assert_eq!(State::new(&Entry::default(), "now", false), State::Begun);
        assert_eq!(State::new(&entry(Status::NotAttempted, 0), "now", true), State::NotBegun);
        assert_eq!(State::new(&entry(Status::NotAttempted, 24), "now", true), State::Begun);
    }

    #[test]
    fn points_of_other_content_do_not_count() {
        assert_eq!(Standing::new(entry(Status::Pass, 30), "now", false).points, Some(30));
        assert_eq!(Standing::new(entry(Status::Pass, 30), "later", false).points, None);
    }
}
