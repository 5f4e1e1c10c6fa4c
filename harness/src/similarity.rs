//! `harness export --similarity`: the exercises of a class for a program that looks for copies, such as JPlag or Dolos.
//!
//! Each submission becomes a folder with its exercise files, and the starters a folder of their own, which such a
//! program takes for what all have in common. The files are *normalised*: comments go, and so do blank lines, indentation
//! and spaces beyond one, since changing these is the first thing that somebody does who copies.
//!
//! Invariant: what comes out splits into the same tokens as what was handed in. A submission that can't be read is
//! named and left out; the others are exported.

use crate::app::App;
use crate::check::rules;
use crate::check::submission::Submission;
use crate::cli;
use crate::course::Stage;
use crate::error::{Context, Error, Result};
use crate::reset;
use crate::ui::say;
use proc_macro2::{Delimiter, Group, LineColumn, Span, TokenStream, TokenTree};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the starters. No submission is called so.
const BASE: &str = "_starter";

/// Runs the command and returns the exit status.
pub fn command(app: &App, arguments: &cli::Export) -> Result<u8> {
    let stage = app.course.select(&arguments.selector)?.stage;
    let out = &arguments.similarity;
    if fs::read_dir(out).is_ok_and(|entries| entries.count() > 0) {
        let error = Error::usage(format!("{} is not empty", out.display()));
        return Err(error.next("choose a folder that is not there yet"));
    }
    let submissions = submissions(&arguments.submissions)?;
    base(&app.course.root, stage, &out.join(BASE))?;
    let mut exported = 0;
    for path in &submissions {
        let folder = out.join(path.file_stem().unwrap_or_default());
        match Submission::read(path, stage).and_then(|submission| write(&submission, stage, &folder)) {
            Ok(()) => exported += 1,
            Err(error) => app.ui.note(&format!("left out: {}", error.message)),
        }
    }
    let (shown, class) = (out.display(), arguments.submissions.display());
    say(format_args!("{shown}: {exported} of {} submissions from {class}, and the starters\n", submissions.len()))?;
    say(format_args!("next: java -jar jplag.jar -l rust -bc {BASE} {shown}\n"))?;
    Ok(0)
}

/// The submissions in a class's folder, in the order of their names.
fn submissions(folder: &Path) -> Result<Vec<PathBuf>> {
    let error = |error| Error::usage(format!("there is no folder of submissions at {}: {error}", folder.display()));
    let entries = fs::read_dir(folder).map_err(error)?;
    let mut paths = entries.map(|entry| Ok(entry.on("read", folder)?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "zip"));
    paths.sort();
    if let Some(twice) = paths.iter().find(|path| path.extension().is_some() && path.with_extension("").is_dir()) {
        return Err(Error::usage(format!("{} and a folder of that name are there", twice.display())));
    }
    if paths.is_empty() {
        return Err(Error::usage(format!("{} holds neither zips nor folders", folder.display())));
    }
    Ok(paths)
}

fn base(root: &Path, stage: &Stage, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).on("make", folder)?;
    for exercise in &stage.lab.exercises {
        let path = root.join(stage.exercise_path(exercise));
        let here = fs::read_to_string(&path).ok().filter(|text| rules::todo_line(text).is_some());
        let starter = here.map_or_else(|| reset::starter(root, stage, exercise), Ok)?;
        put(folder, &exercise.file, &starter)?;
    }
    Ok(())
}

fn write(submission: &Submission, stage: &Stage, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).on("make", folder)?;
    for exercise in &stage.lab.exercises {
        if let Some(Ok(text)) = submission.file(exercise) {
            put(folder, &exercise.file, text)?;
        }
    }
    Ok(())
}

fn put(folder: &Path, file: &str, text: &str) -> Result<()> {
    let path = folder.join(file);
    fs::write(&path, normalised(text)).on("write", &path)
}

/// The tokens of a source, line by line. What is no Rust is left as it is: a comparison of texts is better than none.
fn normalised(source: &str) -> String {
    match source.parse() {
        Ok(tokens) => {
            let mut lines = Lines { source, text: String::new(), end: None };
            lines.all(tokens);
            lines.text + "\n"
        }
        Err(_) => source.to_owned(),
    }
}

struct Lines<'s> {
    source: &'s str,
    text: String,
    /// Where the last token ended.
    end: Option<LineColumn>,
}

impl Lines<'_> {
    fn all(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match &token {
                // A comment for documentation, which is an attribute to the compiler.
                TokenTree::Punct(punct) if punct.as_char() == '#' && self.is_comment(punct.span()) => {
                    tokens.next_if(|next| matches!(next, TokenTree::Punct(bang) if bang.as_char() == '!'));
                    tokens.next();
                }
                TokenTree::Group(group) => self.group(group),
                other => self.piece(other.span(), &other.to_string()),
            }
        }
    }

    fn group(&mut self, group: &Group) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.piece(group.span_open(), open);
        self.all(group.stream());
        self.piece(group.span_close(), close);
    }

    fn is_comment(&self, span: Span) -> bool {
        let range = span.byte_range();
        self.source.get(range.start..).is_some_and(|rest| rest.starts_with('/'))
    }

    /// One token, as far from the last one as it was, in kind.
    fn piece(&mut self, span: Span, text: &str) {
        match self.end {
            Some(end) if end.line < span.start().line => self.text.push('\n'),
            Some(end) if end.column < span.start().column => self.text.push(' '),
            _ => {}
        }
        self.text += text;
        self.end = Some(span.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_copier_changes_first_is_gone() {
        let mine = "//! About.\n\nuse a::B;\n\n/// Says.\n///\n/// More.\npub fn f(x: &'static str) -> u8 {\n    // why\n\
            \x20   let s = \"// no comment\"; /* one */ let c = '\"';\n    x[0] + 1\n}\n";
        let copy = "use   a::B;\n/* mine! */\n#[inline]\npub fn f(x:   &'static str) -> u8 {\n\n\n  let s = \"// no comment\"; let c = '\"'; // !\n\
            \x20 x[0] + 1\n}";
        let wanted =
            "use a::B;\npub fn f(x: &'static str) -> u8 {\nlet s = \"// no comment\"; let c = '\"';\nx[0] + 1\n}\n";
        assert_eq!(normalised(mine), wanted);
        assert_eq!(normalised(copy), wanted.replace("pub fn", "#[inline]\npub fn"));
        assert_eq!(normalised(wanted), wanted);
        assert_eq!(normalised("fn f( {"), "fn f( {");
    }

    #[test]
    fn our_exercises_keep_their_tokens() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../solutions/stage1-console");
        for file in ["ring.rs", "start_info.rs", "hypercall.rs"] {
            let source = fs::read_to_string(folder.join(file)).unwrap();
            let short = normalised(&source);
            assert!(!short.contains("//"), "{short}");
            let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = |text: &str| text.parse::<TokenStream>().unwrap().to_string();
            assert_eq!(code(&short), code(&lines.collect::<Vec<_>>().join("\n")), "{file}");
        }
    }
}
