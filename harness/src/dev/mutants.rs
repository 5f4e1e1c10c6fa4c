//! `solutions/<package>/mutants.toml`: wrong answers that the checks must know.

use crate::course::Stage;
use crate::error::{Context, Error, Kind, Result};
use serde::Deserialize;
use std::path::Path;

/// One edit of a reference.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// The exercise that it is a wrong answer to.
    pub exercise: String,
    /// What is wrong about it, as an end of "the mutant that ...".
    pub name: String,
    /// The reference file.
    pub file: String,
    /// The text that goes, which the file holds exactly once.
    pub find: String,
    /// What comes instead.
    pub replace: String,
    /// The check that has to notice.
    pub fails: String,
}

/// The mutants of a stage; none where it has no such file.
pub fn load(root: &Path, stage: &Stage) -> Result<Vec<Mutant>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        mutant: Vec<Mutant>,
    }
    let path = root.join("solutions").join(&stage.package).join("mutants.toml");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).on("read", &path)?;
    let file: File =
        toml::from_str(&text).map_err(|error| Error::new(Kind::Usage, format!("{}: {error}", path.display())))?;
    for mutant in &file.mutant {
        let exercise = stage.exercise(&mutant.exercise)?;
        let known = exercise.checks.iter().any(|check| check.id == mutant.fails);
        if !known || exercise.file != mutant.file {
            let text = format!(
                "{}: `{}` names a check or a file that {} does not have",
                path.display(),
                mutant.name,
                exercise.id
            );
            return Err(Error::usage(text));
        }
    }
    Ok(file.mutant)
}

impl Mutant {
    /// The reference with the edit made.
    pub fn apply(&self, reference: &str) -> Result<String> {
        match reference.matches(&self.find).count() {
            1 => Ok(reference.replacen(&self.find, &self.replace, 1)),
            count => {
                let text = format!("the mutant that {}: {} holds its text {count} times", self.name, self.file);
                Err(Error::usage(text).next("choose a text for `find` that stands there exactly once"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;

    #[test]
    fn every_mutant_changes_its_reference() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for stage in Course::load(&root).unwrap().stages {
            for mutant in load(&root, &stage).unwrap() {
                let path = root.join("solutions").join(&stage.package).join(&mutant.file);
                let reference = std::fs::read_to_string(path).unwrap();
                assert_ne!(mutant.apply(&reference).unwrap(), reference, "{}", mutant.name);
            }
        }
    }

    #[test]
    fn a_text_that_is_not_there_once_is_no_mutant() {
        let mutant = Mutant {
            exercise: "1a".into(),
            name: "x".into(),
            file: "ring.rs".into(),
            find: "a".into(),
            replace: "b".into(),
            fails: "1a.x".into(),
        };
        assert!(mutant.apply("aa").is_err() && mutant.apply("").is_err());
        assert_eq!(mutant.apply("xa").unwrap(), "xb");
    }
}
