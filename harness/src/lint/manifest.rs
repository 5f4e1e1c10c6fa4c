//! `lab.toml`: what it names is there, and its numbers make sense.

use super::STAGE_POINTS;
use crate::book::Finding;
use crate::check::rules;
use crate::course::{Check, Exercise, Stage};
use crate::error::{Context, Result};
use regex::Regex;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Collects findings about one manifest.
struct Lint<'a> {
    root: &'a Path,
    stage: &'a Stage,
    file: &'a Path,
    source: &'a str,
    found: Vec<Finding>,
}

pub fn findings(root: &Path, stage: &Stage, file: &Path, source: &str) -> Result<Vec<Finding>> {
    let mut lint = Lint { root, stage, file, source, found: Vec::new() };
    lint.whole();
    let features = lint.features()?;
    let mut ids = BTreeSet::new();
    for (place, exercise) in stage.lab.exercises.iter().enumerate() {
        lint.exercise(place, exercise);
        lint.feature(exercise, &features);
        lint.files(exercise);
        lint.hints(exercise);
        exercise.checks.iter().for_each(|check| lint.check(exercise, check, &mut ids));
    }
    Ok(lint.found)
}

impl Lint<'_> {
    fn say(&mut self, id: &str, what: impl AsRef<str>) {
        let line = super::line_of(self.source, &format!("id = \"{id}\""));
        let what = format!("{id}: {}", what.as_ref());
        self.found.push(Finding::new(format!("{}:{line}", self.file.display()), what));
    }

    fn whole(&mut self) {
        let (lab, number) = (&self.stage.lab, self.stage.number);
        let whole = &lab.integration;
        if lab.goals.iter().all(|goal| goal.trim().is_empty()) {
            self.found.push(Finding::new(format!("{}:1", self.file.display()), "no goals"));
        }
        if whole.id != format!("{number}.live") {
            self.say(&whole.id, format!("the check of the whole is not called {number}.live"));
        }
        if !(0.0..=600.0).contains(&whole.timeout) {
            self.say(&whole.id, "the timeout is not between 0 and 600 seconds");
        }
        let (all, exercises) = (self.stage.points(), self.stage.points() - whole.points);
        if all != STAGE_POINTS {
            let line = super::line_of(self.source, &format!("points = {}", whole.points));
            let parts = format!("{exercises} of the exercises and {} of the whole", whole.points);
            let what = format!("the stage is worth {all} points, {parts}; it has to be {STAGE_POINTS}");
            self.found.push(Finding::new(format!("{}:{line}", self.file.display()), what));
        }
    }

    fn exercise(&mut self, place: usize, exercise: &Exercise) {
        let id = &exercise.id;
        let wanted = format!("{}{}", self.stage.number, (b'a' + place as u8) as char);
        if *id != wanted {
            self.say(id, format!("the exercise in place {} is not called {wanted}", place + 1));
        }
        if exercise.title.trim().is_empty() {
            self.say(id, "no title");
        }
        if !(1..=300).contains(&exercise.minutes) {
            self.say(id, "the minutes are not between 1 and 300");
        }
        if !(1..=5).contains(&exercise.difficulty) {
            self.say(id, "the difficulty is not between 1 and 5");
        }
        if !self.root.join(&exercise.book).is_file() {
            self.say(id, format!("the book has no page {}", exercise.book));
        }
        if exercise.checks.is_empty() {
            self.say(id, "no checks");
        }
        for needed in &exercise.needs {
            if !self.stage.lab.exercises.iter().any(|known| known.id == *needed) {
                self.say(id, format!("it needs {needed}, which is no exercise of the stage"));
            }
        }
        if self.stage.needed(exercise).iter().any(|needed| needed.id == *id) {
            self.say(id, "it needs itself, by way of others or at once");
        }
        for name in exercise.allow.iter().filter(|name| !rules::is_banned(name)) {
            self.say(id, format!("it allows `{name}`, which no rule forbids"));
        }
    }

    fn features(&self) -> Result<BTreeMap<String, Vec<String>>> {
        #[derive(Deserialize)]
        struct Manifest {
            #[serde(default)]
            features: BTreeMap<String, Vec<String>>,
        }
        let path = self.root.join("stages").join(&self.stage.package).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).on("read", &path)?;
        // What is wrong with the manifest itself, cargo says better.
        Ok(toml::from_str::<Manifest>(&text).map(|manifest| manifest.features).unwrap_or_default())
    }

    fn feature(&mut self, exercise: &Exercise, features: &BTreeMap<String, Vec<String>>) {
        let feature = &exercise.feature;
        let on = features.get("reference").is_some_and(|all| all.contains(feature));
        if !features.contains_key(feature) {
            let package = &self.stage.package;
            self.say(&exercise.id, format!("stages/{package}/Cargo.toml has no feature `{feature}`"));
        } else if !on {
            self.say(&exercise.id, format!("the feature `reference` doesn't turn on `{feature}`"));
        }
    }

    /// The starter with its functions, and the reference where this checkout has those of the stage.
    fn files(&mut self, exercise: &Exercise) {
        let starter = self.stage.exercise_path(exercise);
        match std::fs::read_to_string(self.root.join(&starter)) {
            Err(_) => self.say(&exercise.id, format!("there is no {}", starter.display())),
            Ok(text) => {
                let has =
                    |name: &&String| text.contains(&format!("fn {name}(")) || text.contains(&format!("fn {name}<"));
                for name in exercise.functions.iter().filter(|name| !has(name)) {
                    self.say(&exercise.id, format!("{} has no function `{name}`", exercise.file));
                }
            }
        }
        if exercise.functions.is_empty() {
            self.say(&exercise.id, "no functions to write");
        }
        let solutions = Path::new("solutions").join(&self.stage.package);
        let reference = solutions.join(&exercise.file);
        if self.root.join(solutions).is_dir() && !self.root.join(&reference).is_file() {
            self.say(&exercise.id, format!("there is no {}", reference.display()));
        }
    }

    fn hints(&mut self, exercise: &Exercise) {
        let names_a_line = Regex::new(r"(?i)\blines?\s+(no\.?\s+|number\s+)?\d|\.rs:\d").ok();
        for (index, hint) in exercise.hints.iter().enumerate() {
            let number = index + 1;
            if hint.trim().is_empty() {
                self.say(&exercise.id, format!("hint {number} is empty"));
            } else if let Some(same) = exercise.hints[..index].iter().position(|other| other == hint) {
                self.say(&exercise.id, format!("hint {number} says what hint {} says", same + 1));
            }
            if names_a_line.as_ref().is_some_and(|line| line.is_match(hint)) {
                self.say(&exercise.id, format!("hint {number} names a line, which moves when the file changes"));
            }
        }
    }

    fn check(&mut self, exercise: &Exercise, check: &Check, ids: &mut BTreeSet<String>) {
        let id = &check.id;
        if !id.starts_with(&format!("{}.", exercise.id)) {
            self.say(&exercise.id, format!("the check `{id}` doesn't begin with `{}.`", exercise.id));
        }
        if !ids.insert(id.clone()) {
            self.say(id, "there are two checks of this name");
        }
        if check.title.trim().is_empty() || check.explain.trim().is_empty() {
            self.say(id, "the check says nothing about itself: it needs `title` and `explain`");
        }
        if check.points == 0 {
            self.say(id, "no points");
        }
        if !(check.timeout > 0.0 && check.timeout <= 600.0) {
            self.say(id, "the timeout is not between 0 and 600 seconds");
        }
    }
}
