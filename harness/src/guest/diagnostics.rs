//! What cargo says about a build, from its JSON messages (`cargo build --message-format=json`).
//!
//! rustc's own rendering is kept untouched: a student sees the compiler's words, and the harness only adds
//! the file and line to know which exercise they belong to.

use super::tidy;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// One error or warning of rustc, with the place it points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the build.
    pub error: bool,
    /// The file, as rustc names it: relative to the workspace for its own crates.
    pub file: Option<PathBuf>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The message alone, without source text.
    pub message: String,
    /// The whole, as rustc prints it.
    pub rendered: String,
}

/// What a build produced, gathered message by message.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Errors and warnings in rustc's order.
    pub diagnostics: Vec<Diagnostic>,
    /// The linked program.
    pub executable: Option<PathBuf>,
    /// Whether cargo found everything up to date.
    pub fresh: bool,
    /// The crates that come from a path rather than from a registry, by library name.
    pub crates: Vec<String>,
}

impl Outcome {
    /// An outcome of nothing yet.
    pub fn new() -> Self {
        Self { fresh: true, ..Self::default() }
    }

    /// Takes in one line of cargo's standard output. What is not a message (a build script's print, say) is
    /// nobody's business.
    pub fn line(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Message::Artifact { package_id, target, executable, fresh }) => {
                self.fresh &= fresh;
                self.executable = executable.or(self.executable.take());
                if !package_id.starts_with("registry+") && !package_id.starts_with("git+") {
                    self.crates.push(target.name.replace('-', "_"));
                }
            }
            Ok(Message::Diagnostic { message }) => self.diagnostics.extend(message.diagnostic()),
            Ok(Message::Other) | Err(_) => {}
        }
    }

    /// The errors as rustc printed them.
    pub fn rendered_errors(&self) -> String {
        self.diagnostics.iter().filter(|d| d.error).map(|d| d.rendered.trim_end()).collect::<Vec<_>>().join("\n\n")
    }
}

#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-artifact")]
    Artifact { package_id: String, target: Target, executable: Option<PathBuf>, fresh: bool },
    #[serde(rename = "compiler-message")]
    Diagnostic { message: RustcMessage },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct RustcMessage {
    message: String,
    level: String,
    rendered: Option<String>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: PathBuf,
    line_start: u32,
    is_primary: bool,
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Span,
}

impl RustcMessage {
    fn diagnostic(self) -> Option<Diagnostic> {
        let error = self.level.starts_with("error");
        // rustc's closing words count errors and point at nothing.
        let closing = self.spans.is_empty()
            && (self.message.starts_with("aborting due to")
                || self.message.ends_with("warning emitted")
                || self.message.ends_with("warnings emitted"));
        if closing || !(error || self.level == "warning") {
            return None;
        }
        let place = self.spans.iter().find(|span| span.is_primary).map(Span::in_own_code);
        Some(Diagnostic {
            error,
            file: place.map(|span| tidy(&span.file_name)),
            line: place.map(|span| span.line_start),
            rendered: self.rendered.unwrap_or_else(|| format!("{}: {}", self.level, self.message)),
            message: self.message,
        })
    }
}

impl Span {
    /// The use of a macro rather than its inside, when that lies in the standard library or a registry.
    fn in_own_code(&self) -> &Self {
        match &self.expansion {
            Some(expansion) if foreign(&self.file_name) => expansion.span.in_own_code(),
            _ => self,
        }
    }
}

fn foreign(file: &Path) -> bool {
    file.is_absolute() || file.starts_with("<")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_place_and_its_rendering() {
        let mut outcome = Outcome::new();
        outcome.line(
            r#"{"reason":"compiler-message","package_id":"path+file:///r#p@0.1.0","target":{"name":"p","kind":["bin"]},
            "message":{"message":"mismatched types","level":"error","rendered":"error[E0308]: mismatched types\n --> src/a.rs:7\n",
            "spans":[{"file_name":"src/b.rs","line_start":1,"is_primary":false,"expansion":null},
                     {"file_name":"src/a.rs","line_start":7,"is_primary":true,"expansion":null}]}}"#,
        );
        outcome.line(r#"{"reason":"compiler-message","message":{"message":"aborting due to 1 previous error","level":"error","rendered":"x","spans":[]}}"#);
        let [only] = outcome.diagnostics.as_slice() else { panic!("{outcome:?}") };
        assert_eq!((only.file.as_deref(), only.line), (Some(Path::new("src/a.rs")), Some(7)));
        assert_eq!(outcome.rendered_errors(), "error[E0308]: mismatched types\n --> src/a.rs:7");
    }

    #[test]
    fn a_macro_of_the_standard_library_is_blamed_on_its_user() {
        let mut outcome = Outcome::new();
        outcome.line(
            r#"{"reason":"compiler-message","message":{"message":"m","level":"warning","rendered":null,"spans":[
            {"file_name":"/rustc/1/library/core/src/macros/mod.rs","line_start":9,"is_primary":true,"expansion":
            {"span":{"file_name":"stages/s/src/lib.rs","line_start":3,"is_primary":false,"expansion":null}}}]}}"#,
        );
        assert_eq!(outcome.diagnostics[0].file.as_deref(), Some(Path::new("stages/s/src/lib.rs")));
        assert_eq!(outcome.diagnostics[0].rendered, "warning: m");
        assert!(!outcome.diagnostics[0].error);
    }

    #[test]
    fn artifacts_tell_freshness_the_program_and_our_own_crates() {
        let mut outcome = Outcome::new();
        for line in [
            r#"{"reason":"compiler-artifact","package_id":"registry+https://x#spin@0.10","target":{"name":"spin"},"executable":null,"fresh":true}"#,
            r#"{"reason":"compiler-artifact","package_id":"path+file:///r#stage1-console@0.1.0","target":{"name":"stage1-console"},"executable":"/t/s","fresh":false}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "a build script says something",
        ] {
            outcome.line(line);
        }
        assert!(!outcome.fresh);
        assert_eq!(outcome.executable.as_deref(), Some(Path::new("/t/s")));
        assert_eq!(outcome.crates, ["stage1_console"]);
    }
}
