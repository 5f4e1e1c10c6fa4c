//! Whose work goes into a guest: of each exercise of a stage the student's file or the reference, and of each stage
//! below all files or all references.

use crate::app::App;
use crate::cli;
use crate::course::{Course, Stage};
use crate::error::{Error, Result};
use crate::progress::{State, Summary};
use std::collections::BTreeSet;

/// What the stages below are taken from.
#[allow(missing_docs, reason = "told in the help of `--base`")]
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Base {
    // Plain comments: as documentation they would make a page of each command's help.
    // The student's work where all of a stage has passed as it is now, else the reference.
    #[default]
    Auto,
    // The student's work, whatever state it is in.
    Mine,
    // The references.
    Reference,
}

/// The choice for one guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// The exercises of the stage of which the reference is taken, by their ids.
    pub references: BTreeSet<String>,
    /// The stages below of which the references are taken, by their names.
    pub below: BTreeSet<String>,
}

impl Work {
    /// What the user asked for.
    ///
    /// # Errors
    /// For an exercise that is none of the stage's, and for a reference that this checkout doesn't hold.
    pub fn chosen(app: &App, stage: &Stage, whose: &cli::Whose) -> Result<Self> {
        let all = || stage.lab.exercises.iter().map(|exercise| exercise.id.clone());
        let references = match &whose.solution {
            None => BTreeSet::new(),
            Some(ids) if ids.iter().any(|id| id == "all") => all().collect(),
            Some(ids) => {
                ids.iter().map(|id| stage.exercise(id).map(|exercise| exercise.id.clone())).collect::<Result<_>>()?
            }
        };
        if !references.is_empty() {
            at_hand(&app.course, stage)?;
        }
        // Who asks for the reference of a whole stage wants to see it pass.
        let base = match whose.base {
            Base::Auto if references.len() == stage.lab.exercises.len() => Base::Reference,
            base => base,
        };
        Ok(Self { references, below: below(app, stage, base)? })
    }

    /// Your files of this stage, on the references of those below.
    pub fn on_references(course: &Course, stage: &Stage) -> Self {
        let below = course.below(stage).filter(|below| has_references(course, below));
        Self { references: BTreeSet::new(), below: below.map(|below| below.name.clone()).collect() }
    }

    /// The references of everything.
    pub fn reference(course: &Course, stage: &Stage) -> Self {
        let references = stage.lab.exercises.iter().map(|exercise| exercise.id.clone()).collect();
        Self { references, ..Self::on_references(course, stage) }
    }

    /// The cargo features of the stage's package that make this choice.
    pub fn features(&self, stage: &Stage) -> Vec<String> {
        let taken = stage.lab.exercises.iter().filter(|exercise| self.references.contains(&exercise.id));
        let own = taken.map(|exercise| exercise.feature.clone());
        own.chain(self.below.iter().map(|name| format!("{name}/reference"))).collect()
    }
}

fn below(app: &App, stage: &Stage, base: Base) -> Result<BTreeSet<String>> {
    let course = &app.course;
    match base {
        Base::Mine => Ok(BTreeSet::new()),
        Base::Reference => {
            course.below(stage).try_for_each(|below| at_hand(course, below))?;
            Ok(course.below(stage).map(|below| below.name.clone()).collect())
        }
        Base::Auto => {
            let mut taken = BTreeSet::new();
            for standing in Summary::read(app)?.stages.iter().filter(|known| known.stage.number < stage.number) {
                let passed = standing.exercises.iter().all(|(_, standing)| standing.state == State::Passed);
                if !passed && has_references(course, standing.stage) {
                    taken.insert(standing.stage.name.clone());
                }
            }
            if !taken.is_empty() {
                let names: Vec<&str> = taken.iter().map(String::as_str).collect();
                let names = names.join(", ");
                app.ui
                    .note(&format!("of {names} the reference is taken, as yours hasn't passed (`--base mine`: yours)"));
            }
            Ok(taken)
        }
    }
}

/// Whether this checkout holds the references of a stage.
pub fn has_references(course: &Course, stage: &Stage) -> bool {
    let folder = course.root.join("solutions").join(&stage.package);
    stage.lab.exercises.iter().all(|exercise| folder.join(&exercise.file).is_file())
}

fn at_hand(course: &Course, stage: &Stage) -> Result<()> {
    if has_references(course, stage) {
        return Ok(());
    }
    let text = format!("the references of stage {} are not in this checkout", stage.number);
    Err(Error::usage(text).next("leave out `--solution` and `--base reference`, or ask your instructor for them"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_choice_becomes_features() {
        let course = Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let stage = &course.stages[0];
        assert!(Work::on_references(&course, stage).features(stage).is_empty());
        assert_eq!(Work::reference(&course, stage).features(stage), ["ref-ring", "ref-start-info", "ref-hypercall"]);
        let choice = Work { references: BTreeSet::from(["1b".into()]), below: BTreeSet::from(["x".into()]) };
        assert_eq!(choice.features(stage), ["ref-start-info", "x/reference"]);
    }
}
