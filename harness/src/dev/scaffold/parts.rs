//! The texts of a new exercise. Each compiles as it stands; `TODO(1d)` marks what only a person can write.

use crate::course::Stage;

/// What the texts are made of.
pub struct Parts<'a> {
    stage: &'a Stage,
    id: &'a str,
    stem: &'a str,
    title: &'a str,
}

impl<'a> Parts<'a> {
    /// The parts of the exercise `id` of a stage, in `stem.rs`.
    pub fn new(stage: &'a Stage, id: &'a str, stem: &'a str, title: &'a str) -> Self {
        Self { stage, id, stem, title }
    }

    /// The feature that takes the reference.
    pub fn feature(&self) -> String {
        format!("ref-{}", self.stem.replace('_', "-"))
    }

    /// The id of its first check.
    pub fn check(&self) -> String {
        format!("{}.first", self.id)
    }

    /// What a student begins with.
    pub fn starter(&self) -> String {
        // The macro is stage 1's.
        let home = if self.stage.number == 1 { "crate" } else { "console" };
        self.fill(
            "//! Exercise {id}: {title}. (Its reference is solutions/{package}/{stem}.rs.)\n\
             //!\n\
             //! TODO({id}): say what a student has to know, and which part of Xen's interface it follows\n\
             \n\
             use {home}::lab_todo;\n\
             \n\
             /// TODO({id}): say what it does and returns, as a contract\n\
             pub fn {stem}(input: u64) -> u64 {\n    lab_todo!(\"{id}\", input)\n}\n",
        )
        .replace("{home}", home)
    }

    /// The reference.
    pub fn reference(&self) -> String {
        self.fill(
            "//! Reference for exercise {id}: {title}.\n\
             \n\
             /// TODO({id}): write it, and say why it is right where that doesn't show\n\
             pub fn {stem}(input: u64) -> u64 {\n    input\n}\n",
        )
    }

    /// The module in the stage's library.
    pub fn module(&self) -> String {
        self.fill(
            "#[cfg_attr(feature = \"{feature}\", path = \"../../../solutions/{package}/{stem}.rs\")]\n\
             #[forbid(unsafe_code)]\n\
             mod {stem};\n",
        )
    }

    /// The public function in front of it.
    pub fn wrapper(&self) -> String {
        self.fill(
            "\n/// TODO({id}): say what it does, with units and errors; exercise {id}.\n\
             pub fn {stem}(input: u64) -> u64 {\n    {stem}::{stem}(input)\n}\n",
        )
    }

    /// The guest's half of the check.
    pub fn guest_check(&self) -> String {
        let text = self.fill(
            "//! Checks of exercise {id}. TODO({id}): say what is called, and on what.\n\
             \n\
             use console::bedrock::{Record, Reporter};\n\
             use fastrand::Rng;\n\
             \n\
             /// Runs the checks of this exercise.\n\
             pub fn run(reporter: &Reporter) {\n    reporter.check(\"{id}.first\", first);\n}\n\
             \n\
             /// TODO({id}): say what is drawn, in order, and what is recorded\n\
             fn first(rng: &mut Rng, record: &Record) {\n",
        );
        let name = &self.stage.name;
        text + &self.fill(&format!(
            "    let input = rng.u64(..);\n    record.saw(format_args!(\"result={{}}\", {name}::{{stem}}(input)));\n}}\n"
        ))
    }

    /// The host's half.
    pub fn host_check(&self) -> String {
        let text = self.fill(
            "//! Exercise {id}: {title}. TODO({id}): say where its checks' expectations come from.\n\
             \n\
             use crate::check::expect::Row;\n\
             use fastrand::Rng;\n\
             \n\
             /// TODO({id}): draw what the guest draws, and work out what has to come of it; until then nothing passes\n\
             pub fn first(rng: &mut Rng) -> Vec<Row> {\n    let input = rng.u64(..);\n",
        );
        text + "    vec![Row::new(format!(\"the input {input}\")).is(\"result\", \"what nobody has worked out yet\")]\n}\n"
    }

    /// The entry in `lab.toml`.
    pub fn manifest(&self) -> String {
        let text = self.fill(
            "[[exercise]]\n\
             id = \"{id}\"\n\
             title = {quoted}\n\
             file = \"{stem}.rs\"\n\
             feature = \"{feature}\"\n\
             functions = [\"{stem}\"]\n\
             minutes = 0\n\
             difficulty = 0\n\
             book = \"book/src/stage{number}/{page}.md\"\n\
             hints = [\n    \"TODO({id}): a nudge\",\n    \"TODO({id}): the approach\",\n    \"TODO({id}): nearly the solution\",\n]\n\
             \n\
             [[exercise.check]]\n\
             id = \"{id}.first\"\n\
             title = \"TODO({id}): what it checks, in a few words\"\n\
             points = 0\n\
             explain = \"TODO({id}): what it does, in a sentence or two for students\"\n",
        );
        text.replace("{quoted}", &toml::Value::from(self.title).to_string())
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{id}", self.id)
            .replace("{stem}", self.stem)
            .replace("{feature}", &self.feature())
            .replace("{package}", &self.stage.package)
            .replace("{number}", &self.stage.number.to_string())
            .replace("{page}", &self.stem.replace('_', "-"))
            .replace("{title}", self.title)
    }
}
