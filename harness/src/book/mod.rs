//! `harness book`: builds the book, serves it, and checks that nothing in it points into the void.
//!
//! mdBook does the building. It takes a missing file or anchor for a remark in its log, so everything that must
//! hold is looked at here: the sources before, the log, and the pages that came out.

mod pages;
mod sources;
mod tool;

use crate::app::App;
use crate::cli;
use crate::course::Course;
use crate::diff;
use crate::error::{Context, Error, Kind, Result};
use crate::lint;
use crate::process;
use crate::ui::say;
use crate::whole;
use std::fmt;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Most of the time that a build may take; it takes about a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where what pages include is written for each build, from the checkout's root.
const PARTS: &str = "target/book-parts";

/// Something about the book that isn't right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where, from the checkout's root; with a line where one is known.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl Finding {
    /// What is wrong at a place.
    pub fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into() }
    }
}

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Book) -> Result<u8> {
    write_parts(&app.course)?;
    if arguments.check {
        return check(app);
    }
    let mdbook = tool::ensure(&app.cache, &app.course.root, &app.ui)?;
    match &arguments.out {
        Some(folder) => {
            let folder = std::path::absolute(folder).on("find", folder)?;
            let log = build(&mdbook, app, &folder)?;
            log_findings(&log).iter().for_each(|finding| app.ui.note(&finding.what));
            say(format_args!("{}\n", folder.join("index.html").display()))?;
            Ok(0)
        }
        None => serve(&mdbook, app, arguments.port),
    }
}

/// Writes what pages include that nobody writes: of each stage, what it adds.
fn write_parts(course: &Course) -> Result<()> {
    let folder = course.root.join(PARTS);
    course.stages.iter().try_for_each(|stage| {
        whole::write(&folder.join(format!("stage{}.md", stage.number)), diff::table(&course.root, stage)?)
    })
}

/// Looks at everything, prints what is wrong, and tells by the exit status whether anything is.
fn check(app: &App) -> Result<u8> {
    let mut findings = sources::findings(&app.course)?;
    findings.extend(lint::findings(&app.course)?);
    let mdbook = tool::ensure(&app.cache, &app.course.root, &app.ui)?;
    let folder = app.course.root.join("target/book");
    let log = build(&mdbook, app, &folder)?;
    findings.extend(log_findings(&log));
    let pages = pages::read(&folder)?;
    findings.extend(pages::findings(&pages));
    findings.sort();
    findings.dedup();
    for Finding { place, what } in &findings {
        say(format_args!("{place}: {what}\n"))?;
    }
    match findings.len() {
        0 => say(format_args!("the book is sound: {} pages\n", pages.len()))?,
        1 => say("1 finding\n")?,
        count => say(format_args!("{count} findings\n"))?,
    }
    Ok(u8::from(!findings.is_empty()))
}

/// Builds the book into `folder`, and returns mdBook's log.
fn build(mdbook: &Path, app: &App, folder: &Path) -> Result<String> {
    let _step = app.ui.step("building the book");
    let mut command = mdbook_in(mdbook, app, "build");
    command.arg("--dest-dir").arg(folder);
    let finished = process::run(command, PATIENCE)?;
    if !finished.success() {
        let said = crate::tail(&finished.stderr, 20);
        return Err(Error::new(Kind::Build, format!("mdBook does not build the book:\n{said}")));
    }
    Ok(finished.stderr)
}

fn mdbook_in(mdbook: &Path, app: &App, verb: &str) -> Command {
    let mut command = Command::new(mdbook);
    command.current_dir(&app.course.root).args([verb, "book"]);
    // Settings and log levels of the caller's would make another book, or hide what is wrong with it.
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("MDBOOK") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command
}

/// Serves the book until Ctrl-C, building it anew whenever a page changes.
fn serve(mdbook: &Path, app: &App, port: u16) -> Result<u8> {
    if let Err(error) = TcpListener::bind(("127.0.0.1", port)) {
        let next = format!("cargo harness book --port {}", port.checked_add(1).unwrap_or(8000));
        return Err(Error::missing(format!("port {port} of this machine can't be had: {error}")).next(next));
    }
    say(format_args!("http://127.0.0.1:{port}/ (Ctrl-C ends it; a changed page is built anew)\n"))?;
    let mut command = mdbook_in(mdbook, app, "serve");
    command.args(["--hostname", "127.0.0.1", "--port", &port.to_string(), "--dest-dir"]);
    // mdBook takes this process over, so whatever ends the one ends the other.
    let error = command.arg(app.course.root.join("target/book")).exec();
    Err(Error::missing(format!("start {}: {error}", mdbook.display())))
}

/// What mdBook complains about.
fn log_findings(log: &str) -> Vec<Finding> {
    let complaint = |line: &&str| {
        let level = line.split_whitespace().find(|word| word.chars().all(|letter| letter.is_ascii_uppercase()));
        matches!(level, Some("WARN" | "ERROR"))
    };
    log.lines().filter(complaint).map(|line| Finding::new("mdBook", line.trim())).collect()
}

/// A path from the checkout's root, with `..` worked out.
pub(crate) fn flat(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                flat.pop();
            }
            std::path::Component::CurDir => {}
            part => flat.push(part),
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_are_found_in_the_log() {
        let log = " INFO Book building has started\n WARN unclosed HTML tag\n2026-01-01 [ERROR] (x): no\nERROR bad\n";
        let found: Vec<String> = log_findings(log).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, ["WARN unclosed HTML tag", "ERROR bad"]);
    }

    #[test]
    fn a_path_is_flattened() {
        assert_eq!(flat(Path::new("book/src/stage1/../../../labs/./x.md")), Path::new("labs/x.md"));
    }
}
