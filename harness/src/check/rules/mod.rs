//! Tier 0: what an exercise file may not contain.
//!
//! The rules keep a student's code from reaching the machinery that reports on it, or the machine that
//! compiles it. They ban identifiers, not spellings: `core::include as i` and `r#include` both hold the
//! identifier `include`, whatever is done with it later.

mod assembly;
mod flow;
pub mod given;
mod naked;

use proc_macro2::{Span, TokenStream, TokenTree};
use std::fmt;

/// Identifiers that no exercise may hold unless its manifest allows them.
const BANNED: &[(&str, &str)] = &[
    ("include", "reads another file"),
    ("include_str", "reads another file"),
    ("include_bytes", "reads another file"),
    ("env", "reads the build machine's environment"),
    ("option_env", "reads the build machine's environment"),
    ("macro_rules", "can hide any of the other names"),
    ("macro", "can hide any of the other names"),
    ("std", "is not there in a guest"),
    ("asm", "needs an exercise about it"),
    ("global_asm", "needs an exercise about it"),
    ("naked_asm", "needs an exercise about it"),
    ("no_mangle", "reaches outside the module"),
    ("export_name", "reaches outside the module"),
    ("link_section", "reaches outside the module"),
    ("extern", "reaches outside the module"),
    ("path", "takes in another file"),
    ("mod", "takes in another file"),
    ("cfg_attr", "can hide an attribute"),
    ("cfg", "makes an exercise differ from one build to another"),
    ("bedrock", "belongs to the path that reports on the exercise"),
];

/// A rule broken by an exercise file.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, counted from 1.
    pub line: usize,
    /// What stands there: an identifier, or a piece of an `asm!`.
    pub name: String,
    /// Why it is not allowed.
    pub reason: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` may not be used in an exercise: it {}", self.name, self.reason)
    }
}

impl Violation {
    fn new(span: Span, name: impl Into<String>, reason: &'static str) -> Self {
        Self { line: span.start().line, name: name.into(), reason }
    }
}

/// Whether a name is one of those that exercises may not hold.
pub fn is_banned(name: &str) -> bool {
    BANNED.iter().any(|(banned, _)| *banned == name)
}

/// Every banned identifier in `source` but those in `allow`; where `asm` is among these, what else than the registers of a
/// hypercall an `asm!` or an `unsafe` block touches; where `naked_asm` is, what else than a context switch it does.
///
/// A file that does not even split into tokens has none: the compiler says better what is wrong with it.
pub fn violations(source: &str, allow: &[String]) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Ok(tokens) = source.parse::<TokenStream>() {
        walk(tokens.clone(), &mut |name, span| {
            let name = name.strip_prefix("r#").unwrap_or(name);
            let banned = BANNED.iter().find(|(banned, _)| *banned == name);
            if let Some((name, reason)) = banned.filter(|_| !allow.iter().any(|allowed| allowed == name)) {
                found.push(Violation::new(span, *name, reason));
            }
        });
        if allow.iter().any(|allowed| allowed == "asm") {
            assembly::check(tokens.clone(), &mut found);
            flow::check(tokens.clone(), &mut found);
        }
        if allow.iter().any(|allowed| allowed == "naked_asm") {
            naked::check(tokens, &mut found);
        }
    }
    found
}

/// The line at which `source` stops being tokens, if it does: there no rule could be looked for.
pub fn unreadable(source: &str) -> Option<usize> {
    source.parse::<TokenStream>().err().map(|error| error.span().start().line)
}

/// Calls `seen` for each identifier, in the order they stand.
fn walk(tokens: TokenStream, seen: &mut impl FnMut(&str, Span)) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => seen(&name.to_string(), name.span()),
            TokenTree::Group(group) => walk(group.stream(), seen),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Whether `source` still holds the mark of an exercise that nobody has begun, and on which line.
pub fn todo_line(source: &str) -> Option<usize> {
    let mut line = None;
    walk(source.parse().ok()?, &mut |name, span| {
        if name == "lab_todo" && line.is_none() {
            line = Some(span.start().line);
        }
    });
    line
}

/// The line on which the function `name` begins.
pub fn function_line(source: &str, name: &str) -> Option<usize> {
    let (mut line, mut after_fn) = (None, false);
    walk(source.parse().ok()?, &mut |found, span| {
        if after_fn && found == name && line.is_none() {
            line = Some(span.start().line);
        }
        after_fn = found == "fn";
    });
    line
}

/// The names that a check finds fault with.
#[cfg(test)]
fn found_by(check: fn(TokenStream, &mut Vec<Violation>), source: &str) -> Vec<String> {
    let mut found = Vec::new();
    check(source.parse().unwrap(), &mut found);
    found.into_iter().map(|violation| violation.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        violations(source, &[]).into_iter().map(|violation| violation.name).collect()
    }

    #[test]
    fn every_way_of_spelling_a_banned_name_is_found() {
        for source in [
            "include!(\"x\");",
            "use core::include as i;",
            "r#include!(\"x\");",
            "fn f() { let x = env !(\"HOME\"); }",
            "#[cfg_attr(all(), inline)] fn f() {}",
            "macro_rules! m { () => {} }",
            "#[unsafe(no_mangle)] fn f() {}",
            "mod inner { }",
            "fn f() { crate::bedrock::power::off() }",
        ] {
            assert!(!names(source).is_empty(), "{source}");
        }
    }

    #[test]
    fn words_in_comments_and_strings_are_free() {
        assert!(names("/// include the mod\nfn f() -> &'static str { \"asm! std\" } // env!").is_empty());
    }

    #[test]
    fn the_line_is_told_and_the_manifest_can_allow() {
        let source = "fn f() {}\nuse core::arch::asm;\n";
        assert_eq!(violations(source, &[])[0].line, 2);
        assert!(violations(source, &["asm".to_owned()]).is_empty());
    }

    #[test]
    fn a_file_that_is_no_rust_is_left_to_the_compiler() {
        assert!(names("fn f( {").is_empty());
    }

    #[test]
    fn a_function_is_found_where_it_begins() {
        let source = "// fn write\nfn call() { write() }\n\npub fn write<T>(\n    t: T) {}\nfn write_all() {}\n";
        assert_eq!([function_line(source, "write"), function_line(source, "read")], [Some(4), None]);
    }

    #[test]
    fn the_mark_of_an_untouched_exercise_is_found() {
        assert_eq!(todo_line("fn f() {\n    lab_todo!(\"1a\")\n}"), Some(2));
        assert_eq!(todo_line("// lab_todo!(\"1a\")\nfn f() {}"), None);
    }
}
