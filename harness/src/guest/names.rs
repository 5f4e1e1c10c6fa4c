//! Function names for people: demangled, without hashes, and short enough to sit in an image.
//!
//! Invariant: a short name is a path of the crate it comes from, `crate::module::Type::function`. Generic
//! arguments and the trait of an implementation are left out; the file and line tell those apart.

/// The longest name an image carries; a longer path loses segments at its front.
const LONGEST: usize = 64;

/// The full demangled name, without the hash.
pub fn full(mangled: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(mangled))
}

/// The demangled name as a short path.
pub fn short(mangled: &str) -> String {
    let path = path(&full(mangled));
    let mut from = 0;
    while path.len() - from > LONGEST {
        match path[from..].find("::") {
            Some(at) => from += at + 2,
            None => break,
        }
    }
    path[from..].chars().take(LONGEST).collect()
}

/// The path of a demangled name: `<a::T as b::Tr>::f::<X>` is `a::T::f`.
pub fn path(name: &str) -> String {
    // The two manglings write `{{closure}}` and `{closure#0}`.
    let name = name.replace("{{", "{").replace("}}", "}");
    let mut out = String::new();
    let mut rest = name.as_str();
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = closing(rest);
        let inside = &rest[1..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        // `<T as Trait>` and `<impl Trait for T>` stand for a type; after a name `<..>` is its arguments.
        if out.is_empty() {
            out = path(self_type(inside));
        } else if out.ends_with("::") && inside.starts_with("impl ") {
            // `a::b::<impl T for c::D>::f`: the place says where, the type's last name suffices.
            out.push_str(last(&path(self_type(inside))));
        } else if out.ends_with("::") {
            out.truncate(out.len() - 2);
        }
    }
    out + rest
}

/// What an implementation is for: the `T` of `T as Trait`, `impl Trait for T`, `impl T`.
fn self_type(inside: &str) -> &str {
    match inside.strip_prefix("impl ") {
        Some(rest) => split(rest, " for ").map_or(rest, |(_, kind)| kind),
        None => split(inside, " as ").map_or(inside, |(kind, _)| kind),
    }
}

/// Splits at `at` outside of any brackets.
fn split<'a>(text: &'a str, at: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0_i32;
    let mut before = ' ';
    for (index, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if before != '-' => depth -= 1,
            ')' | ']' => depth -= 1,
            _ if depth == 0 && text[index..].starts_with(at) => {
                return Some((&text[..index], &text[index + at.len()..]));
            }
            _ => {}
        }
        before = c;
    }
    None
}

/// The index of the `>` that closes the `<` which `text` begins with; its length if none does.
fn closing(text: &str) -> usize {
    let mut depth = 0_i32;
    let mut before = ' ';
    for (index, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
        before = c;
    }
    text.len()
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_what_tells_functions_apart() {
        for (name, expected) in [
            ("console::boot", "console::boot"),
            ("_start", "_start"),
            ("<console::ring::Writer as core::fmt::Write>::write_str", "console::ring::Writer::write_str"),
            ("alloc::vec::Vec<T,A>::push", "alloc::vec::Vec::push"),
            ("alloc::vec::Vec::<u8>::push", "alloc::vec::Vec::push"),
            ("core::ptr::drop_in_place<alloc::string::String>", "core::ptr::drop_in_place"),
            ("console::boot::{{closure}}", "console::boot::{closure}"),
            ("console::boot::{closure#0}", "console::boot::{closure#0}"),
            ("core::fmt::num::imp::<impl core::fmt::Display for u32>::fmt", "core::fmt::num::imp::u32::fmt"),
            ("core::str::<impl str>::trim", "core::str::str::trim"),
            ("<&T as core::fmt::Debug>::fmt", "&T::fmt"),
            ("<F as core::ops::FnOnce<(A,)>>::call_once", "F::call_once"),
            ("a::call::<fn(u8) -> u8>", "a::call"),
            ("<alloc::vec::Vec<u8> as core::ops::Drop>::drop", "alloc::vec::Vec::drop"),
            ("a<b", "a"),
            ("", ""),
        ] {
            assert_eq!(path(name), expected, "{name}");
        }
    }

    #[test]
    fn hashes_go_and_long_names_lose_their_front() {
        assert_eq!(short("_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE"), "core::fmt::Formatter::write_str");
        let long = format!("_ZN4core{}17h0123456789abcdefE", "10abcdefghij".repeat(8));
        let name = short(&long);
        assert!(name.len() <= LONGEST && name.starts_with("abcdefghij::"), "{name}");
    }
}
