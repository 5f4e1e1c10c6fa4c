//! What an exercise may do that writes a whole function in assembly: the context switch.
//!
//! Assembly that sets the stack pointer could read any memory, by `pop`. A switch needs less than that: it pushes and pops,
//! stores control words in the word that it has made room for, stores rsp where its first argument points and takes its
//! second argument for it, both in one way only. So the instructions are a list, and their operands too; there are no
//! constants to make an address of, and no `unsafe` code but the function itself, which nobody in the file can call.
//!
//! Invariant: what is not known to be harmless is a violation.

use super::Violation;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

const KEPT: [&str; 6] = ["rbx", "rbp", "r12", "r13", "r14", "r15"];
/// The most bytes of room, and the largest offset within it.
const ROOM: u64 = 64;

const UNSAFE: &str = "may stand in `#[unsafe(naked)]` and before `extern` and `fn` only";
const EXTERN: &str = "may stand before \"sysv64\" or \"C\" and `fn` only";
const INSTRUCTION: &str = "is not among what a switch is made of: push and pop of rbx, rbp, r12 to r15; sub and add of up to \
                           64 bytes to rsp; stmxcsr, ldmxcsr, fnstcw and fldcw at [rsp] or [rsp + n]; mov [rdi], rsp; \
                           mov rsp, rsi; ret";
const OPERAND: &str = "may hold texts only";

/// Adds what the tokens of a file break.
pub fn check(tokens: TokenStream, found: &mut Vec<Violation>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let after = |distance: usize| tokens.get(index + distance).map(ToString::to_string).unwrap_or_default();
        match token {
            TokenTree::Ident(name) if name == "unsafe" && !["(naked)", "extern", "fn"].contains(&after(1).as_str()) => {
                found.push(Violation::new(name.span(), "unsafe", UNSAFE));
            }
            TokenTree::Ident(name)
                if name == "extern" && !(["\"sysv64\"", "\"C\""].contains(&after(1).as_str()) && after(2) == "fn") =>
            {
                found.push(Violation::new(name.span(), "extern", EXTERN));
            }
            TokenTree::Ident(name) if name == "naked_asm" => match tokens.get(index + 2) {
                Some(TokenTree::Group(group)) if after(1) == "!" && group.delimiter() == Delimiter::Parenthesis => {
                    texts(group.stream(), found);
                }
                _ => found.push(Violation::new(name.span(), "naked_asm", OPERAND)),
            },
            TokenTree::Group(group) => check(group.stream(), found),
            _ => {}
        }
    }
}

fn texts(tokens: TokenStream, found: &mut Vec<Violation>) {
    for token in tokens {
        match &token {
            TokenTree::Literal(text) => template(&text.to_string(), text.span(), found),
            TokenTree::Punct(comma) if comma.as_char() == ',' => {}
            other => found.push(Violation::new(other.span(), other.to_string(), OPERAND)),
        }
    }
}

/// One text of plain characters; instructions in it are separated by newlines or semicolons.
fn template(literal: &str, span: Span, found: &mut Vec<Violation>) {
    let Some(text) = literal.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return found.push(Violation::new(span, literal, INSTRUCTION));
    };
    for instruction in text.replace("\\n", "\n").split(['\n', ';']).map(str::trim).filter(|text| !text.is_empty()) {
        if !is_known(instruction) {
            found.push(Violation::new(span, instruction, INSTRUCTION));
        }
    }
}

fn is_known(instruction: &str) -> bool {
    let (name, operands) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
    let operands: Vec<&str> = operands.split(',').map(str::trim).collect();
    match (name, operands.as_slice()) {
        ("push" | "pop", [register]) => KEPT.contains(register),
        ("sub" | "add", ["rsp", bytes]) => number(bytes),
        ("stmxcsr" | "ldmxcsr" | "fnstcw" | "fldcw", [place]) => is_room(place),
        ("mov", ["[rdi]", "rsp"] | ["qword ptr [rdi]", "rsp"] | ["rsp", "rsi"]) => true,
        ("ret", [""]) => true,
        _ => false,
    }
}

/// `[rsp]` or `[rsp + 4]`, with the size before it or not.
fn is_room(place: &str) -> bool {
    let place = ["dword ptr", "word ptr"].iter().find_map(|size| place.strip_prefix(size)).unwrap_or(place).trim();
    let Some(inside) = place.strip_prefix('[').and_then(|place| place.strip_suffix(']')) else { return false };
    match inside.split_once('+') {
        None => inside.trim() == "rsp",
        Some((base, offset)) => base.trim() == "rsp" && number(offset.trim()),
    }
}

fn number(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| number <= ROOM)
}

#[cfg(test)]
mod tests {
    use crate::check::rules::violations;

    fn names(source: &str) -> Vec<String> {
        let allow = ["naked_asm".to_owned(), "extern".to_owned()];
        violations(source, &allow).into_iter().map(|violation| violation.name).collect()
    }

    #[test]
    fn the_reference_breaks_nothing() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../solutions/stage4-threads/switch.rs");
        // A handout holds no solutions.
        let reference = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(names(&reference), [""; 0]);
    }

    #[test]
    fn a_switch_that_does_more_is_refused() {
        let function =
            |text: &str| format!("#[unsafe(naked)] pub unsafe extern \"C\" fn switch() {{ naked_asm!({text}) }}");
        assert_eq!(names(&function("\"push rbx; pop r12\\nret\"")), [""; 0]);
        for bad in
            ["mov rsi, 0x80000000", "mov rax, [rsp]", "pop rsi", "jmp rbx", "call rbx", "sub rsp, 4096", "syscall"]
        {
            assert_eq!(names(&function(&format!("{bad:?}"))), [bad]);
        }
        assert_eq!(names(&function("\"ret\", sym other")).len(), 2);
        assert_eq!(names("fn f() { unsafe { g() } }"), ["unsafe"]);
        assert_eq!(names("extern \"C\" { fn g(); }"), ["extern"]);
        assert_eq!(names("unsafe extern \"C\" { fn g(); }"), ["extern"]);
        assert_eq!(names("#[unsafe(no_mangle)] fn g() {}"), ["no_mangle", "unsafe"]);
        assert_eq!(names("use core::arch::naked_asm as n; n!(\"syscall\");"), ["naked_asm"]);
    }
}
