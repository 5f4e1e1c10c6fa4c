//! The pages as mdBook made them: every link and image leads somewhere.
//!
//! Looking at the result rather than at the Markdown means that headings, included files and whatever mdBook makes of them are
//! what a reader gets. Invariant: only references within the book are judged; nothing is fetched.

use super::{Finding, flat};
use crate::error::{Context, Result};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The book's files by their path in it. Those that are pages come with their text.
pub struct Pages {
    files: BTreeMap<PathBuf, Option<String>>,
}

/// Pages that mdBook makes for itself: the same text again, with links that lead elsewhere.
const MADE_UP: [&str; 3] = ["print.html", "404.html", "toc.html"];

impl Pages {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.files.values().flatten().count()
    }
}

/// Reads a built book.
pub fn read(folder: &Path) -> Result<Pages> {
    let mut files = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inside) = folders.pop() {
        let place = folder.join(&inside);
        for entry in std::fs::read_dir(&place).on("list", &place)? {
            let entry = entry.on("list", &place)?;
            let path = inside.join(entry.file_name());
            if entry.file_type().on("look at", &entry.path())?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                let text = std::fs::read_to_string(entry.path()).on("read", &entry.path())?;
                files.insert(path.clone(), (!MADE_UP.iter().any(|name| path == Path::new(name))).then_some(text));
            } else {
                files.insert(path, None);
            }
        }
    }
    Ok(Pages { files })
}

/// Every reference that leads nowhere.
pub fn findings(pages: &Pages) -> Vec<Finding> {
    let texts = || pages.files.iter().filter_map(|(path, text)| Some((path, text.as_deref()?)));
    let targets: BTreeMap<&PathBuf, BTreeSet<&str>> = texts().map(|(path, text)| (path, ids(text))).collect();
    let mut found = Vec::new();
    for (path, text) in texts() {
        for reference in references(text) {
            if let Some(what) = broken(path, reference, pages, &targets) {
                found.push(Finding::new(source(path), what));
            }
        }
    }
    found
}

fn broken(page: &Path, reference: &str, pages: &Pages, targets: &BTreeMap<&PathBuf, BTreeSet<&str>>) -> Option<String> {
    let (file, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    let target = if file.is_empty() { page.to_owned() } else { flat(&page.with_file_name("").join(file)) };
    if !pages.files.contains_key(&target) {
        return Some(format!("`{reference}` leads nowhere: there is no {}", source(&target)));
    }
    let missing = !fragment.is_empty() && targets.get(&target).is_some_and(|ids| !ids.contains(fragment));
    missing.then(|| format!("`{reference}` leads nowhere: {} has no heading `{fragment}`", source(&target)))
}

/// The file's name among the sources.
fn source(file: &Path) -> String {
    let page = file.extension().is_some_and(|extension| extension == "html");
    let name = if page { file.with_extension("md") } else { file.to_owned() };
    Path::new("book/src").join(name).display().to_string()
}

/// The references of a page that stay within the book.
fn references(text: &str) -> impl Iterator<Item = &str> {
    attributes(text, &["href", "src"]).filter(|reference| {
        let has_scheme = reference.split_once(':').is_some_and(|(scheme, _)| !scheme.contains(['/', '#', '?']));
        !has_scheme && !reference.is_empty() && !reference.starts_with("//")
    })
}

fn ids(text: &str) -> BTreeSet<&str> {
    attributes(text, &["id", "name"]).collect()
}

/// The values of these attributes, in tags and nowhere else.
fn attributes<'t>(text: &'t str, names: &[&str]) -> impl Iterator<Item = &'t str> {
    let tag = Regex::new(r#"<[a-zA-Z][^<>\s]*((?:\s+[^\s=<>"]+(?:="[^"]*")?)*)\s*/?>"#).ok();
    let pattern = format!(r#"\s(?:{})="([^"]*)""#, names.join("|"));
    let attribute = Regex::new(&pattern).ok();
    let tags: Vec<&str> = tag
        .iter()
        .flat_map(|tag| tag.captures_iter(text))
        .filter_map(|tag| tag.get(1))
        .map(|tag| tag.as_str())
        .collect();
    tags.into_iter().flat_map(move |tag| {
        let values = attribute.iter().flat_map(|attribute| attribute.captures_iter(tag));
        values.filter_map(|value| value.get(1)).map(|value| value.as_str()).collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let pages = read(folder.path()).unwrap();
        findings(&pages).into_iter().map(|finding| format!("{}: {}", finding.place, finding.what)).collect()
    }

    #[test]
    fn a_sound_book_has_no_findings() {
        let found = book(&[
            (
                "a.html",
                r##"<h1 id="top">A</h1><a href="in/b.html#there">b</a> <a href="#top">up</a> <a href="https://x.org/y">x</a>"##,
            ),
            (
                "in/b.html",
                r#"<p id="there"><a class="x" href="../a.html">a</a><img src="../c.svg" alt=""> &lt;a href="no"&gt;</p>"#,
            ),
            ("c.svg", "<svg/>"),
            ("print.html", r#"<a href="nowhere.html">x</a>"#),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn what_leads_nowhere_is_named() {
        let found = book(&[
            ("a.html", r#"<a href="gone.html">x</a><img src="gone.svg"><a title="t" href="in/b.html#gone">y</a>"#),
            ("in/b.html", "<a id=\"there\"\n href=\"a.html\">a</a>"),
        ]);
        assert_eq!(
            found,
            [
                "book/src/a.md: `gone.html` leads nowhere: there is no book/src/gone.md",
                "book/src/a.md: `gone.svg` leads nowhere: there is no book/src/gone.svg",
                "book/src/a.md: `in/b.html#gone` leads nowhere: book/src/in/b.md has no heading `gone`",
                "book/src/in/b.md: `a.html` leads nowhere: there is no book/src/in/a.md",
            ]
        );
    }
}
