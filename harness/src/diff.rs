//! `harness diff`: what the stages after one, up to another, add.

use crate::app::App;
use crate::cli;
use crate::course::Stage;
use crate::error::{Context, Error, Result};
use crate::ui::say;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Prints it.
pub fn command(app: &App, arguments: &cli::Diff) -> Result<u8> {
    let (from, to) = (arguments.from, arguments.to);
    let last = app.course.stages.last().map_or(0, |stage| stage.number);
    let error = if to > last {
        Error::usage(format!("there is no stage {to} in this checkout; the last one is {last}"))
    } else if from >= to {
        Error::usage(format!("stage {to} does not come after stage {from}"))
    } else {
        return show(app, from, to);
    };
    Err(error.next(format!("`cargo harness diff {} {last}`", last.saturating_sub(1))))
}

fn show(app: &App, from: u32, to: u32) -> Result<u8> {
    for stage in app.course.stages.iter().filter(|stage| stage.number > from && stage.number <= to) {
        say(added(&app.course.root, stage)?)?;
    }
    Ok(0)
}

/// What a stage adds: its modules, each with what it says of itself. Nothing of a stage is copied to the next,
/// so its folder is the whole difference.
fn added(root: &Path, stage: &Stage) -> Result<String> {
    let mut text = format!("stage {} adds: {}\n", stage.number, stage.title);
    // Writing to a string cannot fail.
    for goal in &stage.lab.goals {
        let _ = writeln!(text, "  you can {goal}");
    }
    let (modules, lines) = modules_of(root, stage)?;
    for Module { file, exercise, tagline } in &modules {
        let _ = writeln!(text, "  {:<2} {file:<27} {tagline}", exercise.unwrap_or_default());
    }
    let _ = writeln!(text, "  in stages/{}/src: {lines} lines", stage.package);
    Ok(text)
}

/// The same as a table of a page of the book.
pub fn table(root: &Path, stage: &Stage) -> Result<String> {
    let mut text = "| file | | what it is |\n|---|---|---|\n".to_owned();
    let (modules, lines) = modules_of(root, stage)?;
    for Module { file, exercise, tagline } in &modules {
        let tagline = tagline.replace('|', "\\|").replace('<', "&lt;");
        let _ = writeln!(text, "| `{file}` | {} | {tagline} |", exercise.unwrap_or_default());
    }
    let _ = writeln!(text, "\n{} files, {lines} lines.", modules.len());
    Ok(text)
}

/// A file of a stage.
struct Module<'a> {
    file: String,
    /// The exercise that it is, if it is one.
    exercise: Option<&'a str>,
    tagline: String,
}

/// The files of a stage, and how many lines they have.
fn modules_of<'a>(root: &Path, stage: &'a Stage) -> Result<(Vec<Module<'a>>, usize)> {
    let folder = root.join("stages").join(&stage.package).join("src");
    let (mut found, mut lines) = (Vec::new(), 0);
    for file in modules(&folder, Path::new(""))? {
        let path = folder.join(&file);
        let source = std::fs::read_to_string(&path).on("read", &path)?;
        lines += source.lines().count();
        let exercise = stage.lab.exercises.iter().find(|exercise| Path::new(&exercise.file) == file);
        let exercise = exercise.map(|exercise| exercise.id.as_str());
        found.push(Module { file: file.display().to_string(), exercise, tagline: tagline(&source) });
    }
    Ok((found, lines))
}

/// The Rust files below `root/folder`, in order: a folder's file before what is in the folder.
fn modules(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let path = root.join(folder);
    let entries = std::fs::read_dir(&path).on("read", &path)?.collect::<std::io::Result<Vec<_>>>().on("read", &path)?;
    let mut names: Vec<PathBuf> = entries.iter().map(|entry| folder.join(entry.file_name())).collect();
    names.sort_by_key(|name| (name.with_extension(""), name.extension().is_none()));
    let mut found = Vec::new();
    for name in names {
        if root.join(&name).is_dir() {
            found.extend(modules(root, &name)?);
        } else if name.extension().is_some_and(|extension| extension == "rs") {
            found.push(name);
        }
    }
    Ok(found)
}

/// The first sentence of a file's heading.
fn tagline(source: &str) -> String {
    let heading = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let text = heading.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    match text.split_once(". ") {
        Some((sentence, _)) => sentence.to_owned(),
        None => text.trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_stands_for_the_file() {
        assert_eq!(tagline("//! One thing,\n//! told. Then more.\n//!\n//! And more.\nuse x;\n"), "One thing, told");
        assert_eq!(tagline("//! Short.\n"), "Short");
        assert_eq!(tagline("fn f() {}\n"), "");
    }
}
