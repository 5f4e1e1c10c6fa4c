//! `harness handout`: the course as a class gets it when a stage opens.
//!
//! It holds what git tracks of this checkout, without what would take the exercises away, and `labs/given.lock`. It
//! is made beside its place and proved there: it builds, and the open stage earns nothing. Then it is committed and
//! tagged, and gets its name.
//!
//! Invariant: the folder that was asked for holds a proved handout or nothing.

mod choose;
mod pages;
mod prove;
mod secrets;

use crate::app::App;
use crate::book::Finding;
use crate::check::rules;
use crate::cli;
use crate::course::{Course, Stage};
use crate::error::{Context, Error, Result};
use crate::git;
use crate::given::Lock;
use crate::interrupt::Unfinished;
use crate::lint;
use crate::ui::say;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What the class reads first, instead of this repository's own.
const README: &str = include_str!("readme.md");

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Handout) -> Result<u8> {
    let stage = app.course.select(&arguments.release)?.stage;
    let place = std::path::absolute(&arguments.out).on("find", &arguments.out)?;
    let parent = vacant(&place)?;
    untouched(&app.course)?;

    let hidden = || tempfile::Builder::new().prefix(".handout-").tempdir_in(parent);
    let (_unfinished, making) = Unfinished::make(hidden).on("make a folder in", parent)?;
    let files = fill(app, stage, making.path(), &place)?;
    let proved = prove::prove(app, making.path(), stage.number)?;
    let committed = commit(app, making.path(), stage)?;
    fs::set_permissions(making.path(), Permissions::from_mode(0o755)).on("open", making.path())?;
    fs::rename(making.path(), &place).on("put in place", &place)?;

    let shown = arguments.out.display();
    say(format_args!("{shown} is the handout for stage {}: {}\n", stage.number, stage.title))?;
    say(format_args!("  {files} files; {}\n", solutions(app, stage)))?;
    say(format_args!(
        "  it builds, and its stage {} earns {} of {} points\n",
        stage.number, proved.points, proved.max
    ))?;
    if committed {
        say("  committed, with the tag `starter`\n")?;
        say(format_args!(
            "next: git -C {shown} remote add origin URL, then git -C {shown} push --tags -u origin main\n"
        ))?;
    } else {
        say("  not committed: git is not installed\n")?;
        say(format_args!("next: publish {shown}\n"))?;
    }
    Ok(0)
}

/// The folder that `place` is to be in, if there is nothing at `place` yet.
fn vacant(place: &Path) -> Result<&Path> {
    let refuse =
        |what: &str| Error::usage(format!("{} {what}", place.display())).next("choose a folder that is not there yet");
    match fs::read_dir(place).map(Iterator::count) {
        Ok(1..) => return Err(refuse("is not empty")),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(refuse("is no folder")),
        _ => {}
    }
    let parent = place.parent().ok_or_else(|| refuse("is no place for a handout"))?;
    fs::create_dir_all(parent).on("make", parent)?;
    Ok(parent)
}

/// Every exercise must be as a student begins it.
fn untouched(course: &Course) -> Result<()> {
    for (stage, exercise) in course.stages.iter().flat_map(|stage| stage.lab.exercises.iter().map(move |e| (stage, e)))
    {
        let file = stage.exercise_path(exercise);
        let path = course.root.join(&file);
        let text = fs::read_to_string(&path).on("read", &path)?;
        if rules::todo_line(&text).is_none() {
            let text = format!("{} is no starter: there is no `lab_todo!` in it", file.display());
            return Err(Error::usage(text).next(format!("`cargo harness reset {}`", exercise.id)));
        }
    }
    for stage in &course.stages {
        if let Some(Finding { place, what }) = lint::frozen::findings(course, stage)?.into_iter().next() {
            let next = "put it back, or take `frozen` out of labs/course.toml when the term is over";
            return Err(Error::usage(format!("{place}: {what}")).next(next));
        }
    }
    Ok(())
}

/// Copies what stays and writes what is the handout's own. Returns how many files there are.
fn fill(app: &App, stage: &Stage, folder: &Path, place: &Path) -> Result<usize> {
    let _step = app.ui.step("Copying what a class is given");
    let course = &app.course;
    let all = choose::files(&course.root, place)?;
    let (stays, goes): (Vec<PathBuf>, Vec<PathBuf>) =
        all.into_iter().partition(|file| choose::stays(file, course, stage.number));
    for file in &stays {
        let (from, to) = (course.root.join(file), folder.join(file));
        let parent = to.parent().unwrap_or(folder);
        fs::create_dir_all(parent).on("make", parent)?;
        fs::copy(&from, &to).on("copy", &from)?;
    }
    pages::forget(folder, &goes)?;
    let readme = README.replace("{title}", &course.title).replace("{stage}", &stage.number.to_string());
    let readme = readme.replace("{package}", &stage.package);
    fs::write(folder.join("README.md"), readme).on("write in", folder)?;
    secrets::kept(&course.root, folder, &stays, &goes)?;
    Lock::make(&Course::load(folder)?, stage.number, &stays)?.write(folder)?;
    Ok(stays.len() + 2)
}

/// What the class can see of solutions.
fn solutions(app: &App, stage: &Stage) -> String {
    let below: Vec<String> = app.course.below(stage).map(|below| below.number.to_string()).collect();
    match &below[..] {
        [] => "no solutions".to_owned(),
        [one] => format!("the solutions of stage {one}"),
        more => format!("the solutions of stages {}", more.join(", ")),
    }
}

/// Makes the first commit, where there is a git. Returns whether there is.
fn commit(app: &App, folder: &Path, stage: &Stage) -> Result<bool> {
    if !git::is_there() {
        return Ok(false);
    }
    let _step = app.ui.step("Committing it");
    git::run(folder, &["init", "--quiet", "--initial-branch=main", "--template="])?;
    git::run(folder, &["-c", "core.autocrlf=false", "add", "--all", "--force"])?;
    let message = format!("{}: stage {} is open", app.course.title, stage.number);
    let mut arguments = vec!["-c", "commit.gpgSign=false"];
    if git::run(folder, &["config", "user.email"]).is_err() {
        arguments.extend(["-c", "user.name=The course", "-c", "user.email=course@localhost"]);
    }
    arguments.extend(["commit", "--quiet", "--message", &message]);
    git::run(folder, &arguments)?;
    git::run(folder, &["-c", "tag.gpgSign=false", "tag", "starter"])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_place_with_nothing_in_it_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("empty")).unwrap();
        fs::write(path("file"), "").unwrap();
        assert_eq!(vacant(&path("empty")).unwrap(), folder.path());
        assert_eq!(vacant(&path("new/deep")).unwrap(), path("new"));
        assert!(vacant(&path("file")).unwrap_err().message.ends_with("is no folder"));
        assert!(vacant(folder.path()).unwrap_err().message.ends_with("is not empty"));
    }
}
