//! The course as data: which stages there are, and each stage's exercises, checks and points.
//!
//! `labs/course.toml` lists the stages; `labs/<package>/lab.toml` is the single manifest of a stage. Nothing
//! else in the harness knows an exercise by name.

mod guest;

use crate::error::{Context, Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use guest::{FIRST_MAC, GuestShape};

/// The whole course, as this checkout holds it.
#[derive(Debug)]
pub struct Course {
    /// The checkout's root folder.
    pub root: PathBuf,
    /// What the course calls itself.
    pub title: String,
    /// The tag of the commit whose starters a class works on, where there is a class.
    pub frozen: Option<String>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

/// One stage: a crate of the kernel and the lab about it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its place in the course, from 1.
    pub number: u32,
    /// Its subject, which is also its library's name: `console`.
    pub name: String,
    /// Its package and folder name: `stage1-console`.
    pub package: String,
    /// A heading.
    pub title: String,
    /// Whether its checks are still to be proved: then `dev verify` and `bless` look at it only when told to.
    pub draft: bool,
    /// What a student does in it.
    pub lab: Lab,
}

/// `lab.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lab {
    /// What a student can do after the lab.
    pub goals: Vec<String>,
    /// Points for the parts working together.
    pub integration: Integration,
    /// What the guest of a check gets.
    #[serde(default)]
    pub guest: GuestShape,
    /// The exercises, in the order of their ids.
    #[serde(rename = "exercise")]
    pub exercises: Vec<Exercise>,
}

/// The check of the stage as a whole: the live boot on the student's own work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Integration {
    /// The check's id.
    pub id: String,
    /// What it checks, in a few words.
    pub title: String,
    /// What it is worth.
    pub points: u32,
    /// Seconds it may take on the reference machine.
    pub timeout: f64,
}

/// One exercise: one file that a student edits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// Stable name that points and hints hang on: `1a`.
    pub id: String,
    /// A heading.
    pub title: String,
    /// The file, in the stage's `src/` and in its solutions folder alike.
    pub file: String,
    /// The feature that takes the reference instead.
    pub feature: String,
    /// The functions to write.
    pub functions: Vec<String>,
    /// Exercises whose output is this one's input.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Minutes it takes a student.
    pub minutes: u32,
    /// 1 (easy) to 5.
    pub difficulty: u32,
    /// The page of the book that explains the subject.
    pub book: String,
    /// A nudge, the approach, and what is nearly the solution.
    pub hints: [String; 3],
    /// Identifiers that this exercise may use though the rules ban them elsewhere.
    #[serde(default)]
    pub allow: Vec<String>,
    /// What is checked in the booted guest.
    #[serde(rename = "check")]
    pub checks: Vec<Check>,
}

/// One check of an exercise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The exercise's id, a dot, and a name: `1a.full`.
    pub id: String,
    /// What it checks, in a few words.
    pub title: String,
    /// What it is worth.
    pub points: u32,
    /// What it does, in a sentence or two for students.
    pub explain: String,
    /// What students read about it when it is graded.
    #[serde(default)]
    pub visibility: Visibility,
    /// Seconds it may take on the reference machine.
    #[serde(default = "Check::default_timeout")]
    pub timeout: f64,
}

/// What students read about a check in the reports of `harness grade`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everything.
    #[default]
    Visible,
    /// Its id and whether it passed, until the instructor says that the work was due.
    AfterDue,
    /// Its id and whether it passed.
    Hidden,
}

impl Exercise {
    /// What the paths of its host tests begin with: they are in a module named after its file.
    pub fn host_tests(&self) -> String {
        format!("tests::{}::", self.file.trim_end_matches(".rs"))
    }
}

impl Check {
    pub(crate) fn default_timeout() -> f64 {
        5.0
    }
}

/// What the user picked: a stage, or some of its exercises.
#[derive(Debug)]
pub struct Selection<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// The exercise, where one was named.
    pub exercise: Option<&'a Exercise>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CourseFile {
    schema: u32,
    title: String,
    #[serde(default)]
    frozen: Option<String>,
    stage: Vec<StageEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StageEntry {
    number: u32,
    name: String,
    package: String,
    title: String,
    #[serde(default)]
    draft: bool,
}

impl Course {
    /// Loads the course that the working directory belongs to.
    ///
    /// # Errors
    /// Outside a checkout, and for a manifest that does not parse, with its line.
    pub fn find() -> Result<Self> {
        let here = std::env::current_dir().doing("find the working directory")?;
        let root = here.ancestors().find(|dir| dir.join("labs/course.toml").is_file()).ok_or_else(|| {
            Error::usage(format!("{} is not inside a Stardust checkout", here.display()))
                .next("change into the folder you cloned, then type the command again")
        })?;
        Self::load(root)
    }

    /// Loads the course of the checkout at `root`.
    pub fn load(root: &Path) -> Result<Self> {
        let file: CourseFile = parse(&root.join("labs/course.toml"))?;
        if file.schema != 1 {
            let text = format!("labs/course.toml has schema {}; this harness reads schema 1", file.schema);
            return Err(Error::fault(text));
        }
        let stages = file.stage.into_iter().map(|entry| {
            let path = root.join("labs").join(&entry.package).join("lab.toml");
            let lab: Lab = parse(&path)?;
            lab.usable().map_err(|(name, reason)| wrong(&path, &name, &reason))?;
            let StageEntry { number, name, package, title, draft } = entry;
            Ok(Stage { number, name, package, title, draft, lab })
        });
        Ok(Self {
            root: root.to_owned(),
            title: file.title,
            frozen: file.frozen,
            stages: stages.collect::<Result<_>>()?,
        })
    }

    /// Finds what `selector` names: `stage1`, `1`, `console`, `stage1-console`, or an exercise as `1a`.
    ///
    /// # Errors
    /// For a name that is none of these, with the nearest that is.
    pub fn select(&self, selector: &str) -> Result<Selection<'_>> {
        let wanted = selector.to_lowercase();
        for stage in &self.stages {
            if stage.names().contains(&wanted) {
                return Ok(Selection { stage, exercise: None });
            }
            if let Some(exercise) = stage.lab.exercises.iter().find(|exercise| exercise.id == wanted) {
                return Ok(Selection { stage, exercise: Some(exercise) });
            }
        }
        let exercises = self.stages.iter().flat_map(|stage| &stage.lab.exercises).map(|exercise| exercise.id.clone());
        let names: Vec<String> = self.stages.iter().flat_map(Stage::names).chain(exercises).collect();
        Err(unknown("stage or exercise", selector, &names))
    }
}

impl Course {
    /// The stage that `selector` names; where nothing is named, all but drafts.
    ///
    /// # Errors
    /// As [`Course::select`].
    pub fn chosen(&self, selector: Option<&str>) -> Result<Vec<&Stage>> {
        match selector {
            Some(selector) => Ok(vec![self.select(selector)?.stage]),
            None => Ok(self.stages.iter().filter(|stage| !stage.draft).collect()),
        }
    }

    /// The stages that `stage` stands on.
    pub fn below<'a>(&'a self, stage: &Stage) -> impl Iterator<Item = &'a Stage> + use<'a> {
        let number = stage.number;
        self.stages.iter().filter(move |below| below.number < number)
    }

    /// The exercise called `id`, and its stage.
    ///
    /// # Errors
    /// For a name that is none, and for that of a stage.
    pub fn exercise(&self, id: &str) -> Result<(&Stage, &Exercise)> {
        let Selection { stage, exercise } = self.select(id)?;
        let ids = || stage.lab.exercises.iter().map(|exercise| exercise.id.as_str()).collect::<Vec<_>>().join(", ");
        let error = || {
            Error::usage(format!("`{id}` is a stage; this is about one exercise")).next(format!("one of: {}", ids()))
        };
        Ok((stage, exercise.ok_or_else(error)?))
    }
}

impl Lab {
    /// Whether a check can be made by this manifest; if not, where the trouble is and what. `dev lint` asks for more.
    fn usable(&self) -> std::result::Result<(), (String, String)> {
        let mut ids = BTreeSet::new();
        let checks = self.exercises.iter().flat_map(|exercise| &exercise.checks);
        let all = checks.map(|check| (&check.id, check.timeout));
        for (id, timeout) in all.chain([(&self.integration.id, self.integration.timeout)]) {
            if !ids.insert(id) {
                return Err((id.clone(), "there is another of this id".to_owned()));
            }
            if !(timeout > 0.0 && timeout <= LONGEST_CHECK) {
                let problem = format!("its timeout, {timeout}, is not between 0 and {LONGEST_CHECK} seconds");
                return Err((id.clone(), problem));
            }
        }
        let leaves = |file: &str| Path::new(file).components().count() != 1 || file.starts_with('.');
        match self.exercises.iter().find(|exercise| leaves(&exercise.file)) {
            Some(Exercise { id, file, .. }) => {
                Err((id.clone(), format!("its file, `{file}`, is no name in the stage's src")))
            }
            None => Ok(()),
        }
    }
}

/// Seconds that a check may take at most.
pub const LONGEST_CHECK: f64 = 3600.0;

/// The error for a manifest that parses and makes no sense, with the line that its name is in.
fn wrong(path: &Path, name: &str, reason: &str) -> Error {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().position(|line| line.contains(&format!("\"{name}\""))).map_or(1, |line| line + 1);
    Error::usage(format!("{}: line {line}: `{name}`: {reason}", path.display()))
}

impl Stage {
    fn names(&self) -> Vec<String> {
        vec![format!("stage{}", self.number), self.number.to_string(), self.name.clone(), self.package.clone()]
    }

    /// The exercise called `id`.
    pub fn exercise(&self, id: &str) -> Result<&Exercise> {
        let found = self.lab.exercises.iter().find(|exercise| exercise.id == id.to_lowercase());
        found.ok_or_else(|| {
            let names: Vec<String> = self.lab.exercises.iter().map(|exercise| exercise.id.clone()).collect();
            unknown(&format!("exercise in stage {}", self.number), id, &names)
        })
    }

    /// The exercises whose output is `exercise`'s input, and theirs, in the order of their ids.
    pub fn needed(&self, exercise: &Exercise) -> Vec<&Exercise> {
        let mut needed = exercise.needs.clone();
        let mut index = 0;
        while let Some(id) = needed.get(index).cloned() {
            let further = self.lab.exercises.iter().filter(|known| known.id == id).flat_map(|known| &known.needs);
            let new: Vec<String> = further.filter(|id| !needed.contains(id)).cloned().collect();
            needed.extend(new);
            index += 1;
        }
        self.lab.exercises.iter().filter(|known| needed.contains(&known.id)).collect()
    }

    /// Where the student's version of an exercise is, from the checkout's root.
    pub fn exercise_path(&self, exercise: &Exercise) -> PathBuf {
        Path::new("stages").join(&self.package).join("src").join(&exercise.file)
    }

    /// The most points the stage gives.
    pub fn points(&self) -> u32 {
        self.lab.exercises.iter().map(Exercise::points).sum::<u32>() + self.lab.integration.points
    }
}

impl Exercise {
    /// The most points the exercise gives.
    pub fn points(&self) -> u32 {
        self.checks.iter().map(|check| check.points).sum()
    }
}

/// The error for a name that is none of `names`, with the nearest of them.
pub fn unknown(what: &str, given: &str, names: &[String]) -> Error {
    let near = names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&given.to_lowercase(), name), name))
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .min();
    let error = Error::usage(format!("there is no {what} called `{given}`"));
    match near {
        Some((_, name)) => error.next(format!("did you mean `{name}`?")),
        None => error.next(format!("it can be one of: {}", names.join(", "))),
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).on("read", path)?;
    // The parser's message names line and column and shows the line.
    toml::from_str(&text).map_err(|error| Error::new(Kind::Usage, format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course() -> Course {
        Course::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
    }

    #[test]
    fn a_stage_is_found_by_each_of_its_names() {
        let course = course();
        for name in ["stage1", "1", "console", "stage1-console", "Stage1"] {
            assert_eq!(course.select(name).unwrap().stage.number, 1, "{name}");
        }
        assert_eq!(course.select("1b").unwrap().exercise.unwrap().id, "1b");
    }

    #[test]
    fn drafts_are_looked_at_when_they_are_named() {
        let mut course = course();
        course.stages[1].draft = true;
        assert!(course.chosen(None).unwrap().iter().all(|stage| stage.number != 2 && !stage.draft));
        assert_eq!(course.chosen(Some("memory")).unwrap()[0].number, 2);
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let course = course();
        let said = |name: &str| course.select(name).unwrap_err().to_string();
        assert!(said("stag1").contains("did you mean `stage1`?"), "{}", said("stag1"));
        assert!(said("consol").contains("did you mean `console`?"));
        assert!(said("zzzzzzzzzzzz").contains("it can be one of: stage1"));
    }

    #[test]
    fn ids_are_unique_and_checks_carry_their_exercise() {
        for stage in course().stages {
            let mut seen = std::collections::HashSet::new();
            for exercise in &stage.lab.exercises {
                assert!(exercise.id.starts_with(&stage.number.to_string()));
                for needed in &exercise.needs {
                    assert!(stage.exercise(needed).is_ok());
                }
                for check in &exercise.checks {
                    assert!(check.id.starts_with(&format!("{}.", exercise.id)), "{}", check.id);
                    assert!(seen.insert(check.id.clone()), "{} twice", check.id);
                }
            }
        }
    }

    #[test]
    fn a_manifest_with_a_mistake_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("labs")).unwrap();
        let text = "schema = 1\ntitle = \"x\"\n[[stage]]\nnumber = \"one\"\n";
        std::fs::write(folder.path().join("labs/course.toml"), text).unwrap();
        let said = Course::load(folder.path()).unwrap_err().to_string();
        assert!(said.contains("line 4"), "{said}");
    }

    #[test]
    fn a_lab_that_makes_no_sense_names_its_line_and_why() {
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../labs");
        let folder = tempfile::tempdir().unwrap();
        let lab = folder.path().join("labs/stage1-console/lab.toml");
        std::fs::create_dir_all(lab.parent().unwrap()).unwrap();
        let one = "schema = 1\ntitle = \"x\"\n[[stage]]\nnumber = 1\nname = \"console\"\npackage = \"stage1-console\"\n\
                   title = \"x\"\n";
        std::fs::write(folder.path().join("labs/course.toml"), one).unwrap();
        let text = std::fs::read_to_string(original.join("stage1-console/lab.toml")).unwrap();
        let line = |name: &str| text.lines().position(|line| line.contains(name)).unwrap() + 1;
        for (from, to, at, reason) in [
            ("id = \"1a.wrap\"", "id = \"1a.fits\"", "1a.fits", "`1a.fits`: there is another of this id"),
            ("timeout = 20.0", "timeout = -1.0", "1.live", "`1.live`: its timeout, -1, is not between"),
            ("timeout = 20.0", "timeout = nan", "1.live", "`1.live`: its timeout, NaN, is not between"),
            ("file = \"ring.rs\"", "file = \"../ring.rs\"", "\"1a\"", "`1a`: its file, `../ring.rs`, is no name"),
            ("file = \"ring.rs\"", "file = 7", "file = \"ring.rs\"", "expected a string"),
            ("file = \"ring.rs\"", "files = \"ring.rs\"", "file = \"ring.rs\"", "unknown field `files`"),
        ] {
            std::fs::write(&lab, text.replacen(from, to, 1)).unwrap();
            let said = Course::load(folder.path()).unwrap_err().to_string();
            assert!(said.contains(&format!("line {}", line(at))) && said.contains(reason), "{said}");
        }
    }
}
