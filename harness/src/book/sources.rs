//! The book's sources: what mdBook passes over in silence, or could only show as a hole in a page.
//!
//! Code is shown by anchors, `ANCHOR: name` and `ANCHOR_END: name` in comments of files that get compiled; console by recorded
//! runs and snapshots. Invariant: whatever a page includes is there, and whatever is marked for a page is on one.

use super::{Finding, PARTS, flat};
use crate::course::{Course, Stage};
use crate::error::{Context, Result};
use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the pages are, from the checkout's root.
const PAGES: &str = "book/src";
/// Folders whose files may hold anchors.
const CODE: [&str; 4] = ["stages", "solutions", "images", "labs"];

/// Everything that is wrong.
pub fn findings(course: &Course) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let pages = read(course, PAGES, &["md"])?;
    summary(&pages, &mut found);
    let mut shown = BTreeSet::new();
    for include in pages.iter().flat_map(includes) {
        if let Err(what) = look_up(course, &include, &mut shown) {
            found.push(Finding::new(&include.place, what));
        }
    }
    for folder in CODE {
        for file in read(course, folder, &["rs", "ld", "toml", "S", "sh"])? {
            anchors(&file, &shown, &mut found);
        }
    }
    for stage in &course.stages {
        lab(course, stage, &pages, &mut found);
    }
    Ok(found)
}

struct Source {
    /// From the checkout's root.
    path: PathBuf,
    text: String,
}

/// The files below a folder that end so.
fn read(course: &Course, folder: &str, extensions: &[&str]) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let place = course.root.join(&folder);
        if !place.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&place).on("list", &place)? {
            let entry = entry.on("list", &place)?;
            let path = folder.join(entry.file_name());
            if entry.file_type().on("look at", &entry.path())?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| extensions.iter().any(|extension| end == *extension)) {
                let text = std::fs::read_to_string(entry.path()).on("read", &entry.path())?;
                files.push(Source { path, text });
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// A page that the table of contents doesn't name is not in the book.
fn summary(pages: &[Source], found: &mut Vec<Finding>) {
    let summary = Path::new(PAGES).join("SUMMARY.md");
    let text = pages.iter().find(|page| page.path == summary).map_or("", |page| &page.text);
    let named: BTreeSet<PathBuf> =
        captures(r"\]\(([^)#\s]+)", text).map(|(name, _)| flat(&Path::new(PAGES).join(name))).collect();
    for page in pages.iter().filter(|page| page.path != summary && !named.contains(&page.path)) {
        found.push(Finding::new(page.path.display(), "SUMMARY.md doesn't name this page"));
    }
}

struct Include {
    place: String,
    file: PathBuf,
    /// What stands behind the file's name: an anchor, or lines.
    part: Option<String>,
}

fn includes(page: &Source) -> Vec<Include> {
    let folder = page.path.with_file_name("");
    let all = captures(r"(?:^|[^\\])\{\{\s*#(?:include|rustdoc_include|playground)\s+([^\s}]+)", &page.text);
    let include = |(link, line): (&str, usize)| {
        let (file, part) = link.split_once(':').map_or((link, None), |(file, part)| (file, Some(part.to_owned())));
        Include { place: format!("{}:{line}", page.path.display()), file: flat(&folder.join(file)), part }
    };
    all.map(include).collect()
}

/// Whether what a page includes is there. Notes the anchors that are shown.
fn look_up(
    course: &Course,
    include: &Include,
    shown: &mut BTreeSet<(PathBuf, String)>,
) -> std::result::Result<(), String> {
    let file = include.file.display();
    let secret = course.stages.iter().flat_map(|stage| stage.lab.exercises.iter().map(|e| stage.exercise_path(e)));
    if include.file.starts_with("solutions") || secret.into_iter().any(|path| path == include.file) {
        return Err(format!("{file} belongs to an exercise: the book shows neither starters nor solutions"));
    }
    if include.file.starts_with(PARTS) {
        // Written for each build, whose log tells of one that isn't there.
        return Ok(());
    }
    let Ok(text) = std::fs::read_to_string(course.root.join(&include.file)) else {
        return Err(format!("there is no text file {file} to include"));
    };
    let Some(part) = &include.part else { return Ok(()) };
    let first = part.split(':').next().unwrap_or_default();
    if let Ok(line) = first.parse::<usize>() {
        let before = line.checked_sub(2).and_then(|index| text.lines().nth(index));
        let snapshot = include.file.extension().is_some_and(|extension| extension == "snap");
        if text.lines().nth(line.saturating_sub(1)).is_none() {
            return Err(format!("{file} has no line {line}"));
        }
        if snapshot && before != Some("---") {
            return Err(format!("line {line} of {file} is not the first behind the snapshot's header"));
        }
    } else if !first.is_empty() {
        if !marks(&text).any(|mark| mark.name == first && !mark.end) {
            return Err(format!("{file} has no anchor `{first}`"));
        }
        shown.insert((include.file.clone(), first.to_owned()));
    }
    Ok(())
}

struct Mark<'t> {
    name: &'t str,
    line: usize,
    end: bool,
}

fn marks(text: &str) -> impl Iterator<Item = Mark<'_>> {
    let starts = captures(r"ANCHOR:\s*([\w-]+)", text).map(|(name, line)| Mark { name, line, end: false });
    let ends = captures(r"ANCHOR_END:\s*([\w-]+)", text).map(|(name, line)| Mark { name, line, end: true });
    starts.chain(ends)
}

/// Each anchor begins once, ends once behind that, and is shown.
fn anchors(file: &Source, shown: &BTreeSet<(PathBuf, String)>, found: &mut Vec<Finding>) {
    let all: Vec<Mark> = marks(&file.text).collect();
    let names: BTreeSet<&str> = all.iter().map(|mark| mark.name).collect();
    for name in names {
        let lines =
            |end: bool| all.iter().filter(move |mark| mark.name == name && mark.end == end).map(|mark| mark.line);
        let (starts, ends): (Vec<usize>, Vec<usize>) = (lines(false).collect(), lines(true).collect());
        let line = starts.first().or(ends.first()).copied().unwrap_or(1);
        let place = format!("{}:{line}", file.path.display());
        match (&starts[..], &ends[..]) {
            ([start], [end]) if start < end => {}
            _ => {
                found.push(Finding::new(&place, format!("anchor `{name}` doesn't begin once and end once behind that")))
            }
        }
        if !shown.contains(&(file.path.clone(), name.to_owned())) {
            found.push(Finding::new(&place, format!("no page shows anchor `{name}`")));
        }
    }
}

/// The text of a lab reads the same in the book, in an editor and elsewhere.
fn lab(course: &Course, stage: &Stage, pages: &[Source], found: &mut Vec<Finding>) {
    let folder = Path::new("labs").join(&stage.package);
    let path = folder.join("lab.md");
    // That there is no text, the lints of the course tell.
    let Ok(text) = std::fs::read_to_string(course.root.join(&path)) else { return };
    let elsewhere = [
        (r"\]\(\s*<?((?:[^)\s:]|:[^/])+)\)", "a relative link"),
        (r"(?m)^\s*\[[^\]]+\]:\s*<?((?:[^\s:]|:[^/])+)$", "a relative link"),
        (r#"<a\s[^>]*href="((?:[^":]|:[^/])+)""#, "a relative link"),
        (r"(!\[)", "an image"),
        (r"(<img|<svg)", "an image"),
        (r"(\{\{\s*#)", "an include"),
    ];
    let prose = without_code(&text);
    for (pattern, what) in elsewhere {
        for (_, line) in captures(pattern, &prose) {
            let place = format!("{}:{line}", path.display());
            found
                .push(Finding::new(place, format!("{what}, which works in one of the places where this is read only")));
        }
    }
    if !pages.iter().flat_map(includes).any(|include| include.file == path) {
        found.push(Finding::new(path.display(), "no page of the book includes this lab"));
    }
}

/// The text with code blanked out, line by line as before.
fn without_code(text: &str) -> String {
    let mut fenced = false;
    let line = |line: &str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        let odd_parts_are_code = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        if fence || fenced { String::new() } else { odd_parts_are_code }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What the first group of a pattern matches, each with its line.
fn captures<'t>(pattern: &str, text: &'t str) -> impl Iterator<Item = (&'t str, usize)> {
    let regex = Regex::new(pattern).ok();
    let all: Vec<_> =
        regex.iter().flat_map(|regex| regex.captures_iter(text)).filter_map(|found| found.get(1)).collect();
    all.into_iter().map(|found| (found.as_str(), 1 + text[..found.start()].matches('\n').count()))
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
