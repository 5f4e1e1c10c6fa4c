//! `harness dev new-exercise`: lays an exercise out, on both sides and in the manifest.
//!
//! What it writes compiles, and fails until it is filled in: the starter is not attempted, the host's half of the
//! check expects what nobody can record, and `TODO(1d)` stands wherever something is still to be written, which
//! `harness dev verify` refuses.
//!
//! Invariant: everything is worked out before the first file is written; a place that doesn't look as expected is left
//! alone, and what belongs there is printed.

mod insert;
mod parts;

use crate::app::App;
use crate::cli;
use crate::course::Stage;
use crate::error::{Context, Error, Result};
use crate::ui::say;
use parts::Parts;
use std::fs;
use std::path::{Path, PathBuf};

/// One file to write.
struct Edit {
    file: PathBuf,
    text: String,
    what: &'static str,
}

/// What goes into a file that is there already, and could not be put there.
struct Paste {
    file: PathBuf,
    text: String,
    what: &'static str,
}

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::NewExercise) -> Result<u8> {
    let root = &app.course.root;
    let (stage, stem) = (stage(app, &arguments.id)?, stem(&arguments.file)?);
    let parts = Parts::new(stage, &arguments.id, stem, arguments.title.trim());
    let new = new_files(stage, stem, &parts);
    if let Some(taken) = new.iter().find(|edit| root.join(&edit.file).exists()) {
        let error = Error::usage(format!("{} is there already", taken.file.display()));
        return Err(error.next("choose another name for the file"));
    }
    let (changed, pastes) = changes(root, stage, stem, &parts)?;
    for (edit, verb) in new.iter().map(|edit| (edit, "wrote  ")).chain(changed.iter().map(|edit| (edit, "changed"))) {
        let path = root.join(&edit.file);
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder).on("make", folder)?;
        fs::write(&path, &edit.text).on("write", &path)?;
        say(format_args!("{verb}  {}: {}\n", edit.file.display(), edit.what))?;
    }
    for Paste { file, text, what } in &pastes {
        say(format_args!("put into {} by hand, {what}:\n{text}\n", file.display()))?;
    }
    say(format_args!("next: `cargo harness dev verify stage{}` names what is still to be written\n", stage.number))?;
    Ok(0)
}

/// The stage that `id` is the next exercise of.
fn stage<'a>(app: &'a App, id: &str) -> Result<&'a Stage> {
    let next = |stage: &Stage| format!("{}{}", stage.number, (b'a' + stage.lab.exercises.len() as u8) as char);
    if let Some(stage) = app.course.stages.iter().find(|stage| next(stage) == id) {
        return Ok(stage);
    }
    let all: Vec<String> = app.course.stages.iter().map(next).collect();
    Err(Error::usage(format!("`{id}` is not the next exercise of any stage"))
        .next(format!("one of: {}", all.join(", "))))
}

/// The module's name. It is the function's too, until somebody finds a better one.
fn stem(file: &str) -> Result<&str> {
    let stem = file.strip_suffix(".rs").unwrap_or_default();
    let plain = stem.starts_with(|first: char| first.is_ascii_lowercase())
        && stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let taken = ["main", "lib", "checks", "tests", "mod", "bedrock"];
    if plain && !taken.contains(&stem) {
        return Ok(stem);
    }
    Err(Error::usage(format!("`{file}` is no name for an exercise's file")).next("for example: --file free_list.rs"))
}

fn new_files(stage: &Stage, stem: &str, parts: &Parts) -> Vec<Edit> {
    let stages = Path::new("stages").join(&stage.package).join("src");
    let name = format!("{stem}.rs");
    let edit = |file: PathBuf, text: String, what| Edit { file, text, what };
    let host = PathBuf::from(format!("harness/src/check/stage{}", stage.number)).join(&name);
    vec![
        edit(stages.join(&name), parts.starter(), "the starter"),
        edit(Path::new("solutions").join(&stage.package).join(&name), parts.reference(), "the reference"),
        edit(stages.join("checks").join(&name), parts.guest_check(), "the guest's half of a check"),
        edit(host, parts.host_check(), "the host's half"),
    ]
}

/// The files that change, with their whole new text, and what could not be put into one.
fn changes(root: &Path, stage: &Stage, stem: &str, parts: &Parts) -> Result<(Vec<Edit>, Vec<Paste>)> {
    let package = Path::new("stages").join(&stage.package);
    let files: Vec<String> = stage.lab.exercises.iter().map(|known| known.file.clone()).collect();
    let (mut changed, mut pastes) = (Vec::new(), Vec::new());
    let mut change = |file: PathBuf, what: &'static str, paste: String, insert: &dyn Fn(&str) -> Option<String>| {
        let path = root.join(&file);
        let text = fs::read_to_string(&path).on("read", &path)?;
        match insert(&text) {
            Some(text) => changed.push(Edit { file, text, what }),
            None => pastes.push(Paste { file, text: paste, what }),
        }
        Ok::<(), Error>(())
    };

    let feature = parts.feature();
    let manifest = format!("{feature} = []\nreference = [..., \"{feature}\"]");
    change(package.join("Cargo.toml"), "its feature", manifest, &|text| insert::feature(text, &feature))?;
    let library = format!("{}{}", parts.module(), parts.wrapper());
    change(package.join("src/lib.rs"), "the module, and the wrapper in front of it", library, &|text| {
        Some(insert::module(text, &files, &parts.module())? + &parts.wrapper())
    })?;
    let run = format!("    {stem}::run(&reporter);\n");
    change(package.join("src/checks.rs"), "the call of its checks", format!("mod {stem};\n{run}"), &|text| {
        insert::before(&insert::declaration(text, stem)?, "reporter.done();", &run)
    })?;
    let host = PathBuf::from(format!("harness/src/check/stage{}/mod.rs", stage.number));
    let arm = format!("        \"{}\" => {stem}::first(&mut rng),\n", parts.check());
    change(host, "its check's name", format!("mod {stem};\n{arm}"), &|text| {
        insert::before(&insert::declaration(text, stem)?, "other =>", &arm)
    })?;
    let manifest = parts.manifest();
    let file = Path::new("labs").join(&stage.package).join("lab.toml");
    change(file, "its entry, with three hints to write", manifest.clone(), &|text| {
        Some(format!("{}\n\n{manifest}", text.trim_end()))
    })?;
    Ok((changed, pastes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_modules_name() {
        assert_eq!(stem("free_list.rs").unwrap(), "free_list");
        for bad in ["x", "Free.rs", "a-b.rs", "../a.rs", ".rs", "1.rs", "lib.rs", "checks/x.rs"] {
            assert!(stem(bad).is_err(), "{bad}");
        }
    }
}
