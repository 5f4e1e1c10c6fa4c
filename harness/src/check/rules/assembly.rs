//! What an exercise about `asm!` may do with it.
//!
//! Assembly, and Rust marked `unsafe`, could read any memory of the guest, and with it what the records are marked
//! with. A hypercall needs neither: its instruction, and values in registers. So an `unsafe` block holds an `asm!` and
//! plain names, and an `asm!` holds instructions that move values between registers.
//!
//! Invariant: what is not known to be harmless is a violation. Operations of an `unsafe fn` outside of a block are not
//! looked at here: the stage forbids them where it declares the module.

use super::Violation;
use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use std::iter::Peekable;

/// Instructions that touch registers only, whatever their operands are among those that [`operand`] knows.
const INSTRUCTIONS: [&str; 8] = ["syscall", "mov", "xor", "and", "or", "xchg", "nop", "ud2"];
/// What parentheses may follow in an `asm!`.
const CLASSES: [&str; 7] = ["in", "out", "inout", "lateout", "inlateout", "options", "clobber_abi"];

const BLOCK: &str = "has no place in an `unsafe` block, which may hold an `asm!` and plain names";
const MEMORY: &str = "is not among what `asm!` may do here: syscall, mov, xor, and, or, xchg, nop, ud2 on registers \
                      other than rsp";

/// Adds what the tokens of a file break.
pub fn check(tokens: TokenStream, found: &mut Vec<Violation>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Ident(name) if name == "unsafe" => match tokens.peek() {
                Some(TokenTree::Group(block)) if block.delimiter() == Delimiter::Brace => {
                    unsafe_block(block.stream(), found);
                    tokens.next();
                }
                // Calling it takes a block, and its own body needs one, too.
                Some(TokenTree::Ident(word)) if word == "fn" => {}
                _ => found.push(Violation::new(name.span(), "unsafe", "may stand before a block or a `fn` only")),
            },
            TokenTree::Group(group) => check(group.stream(), found),
            _ => {}
        }
    }
}

fn unsafe_block(tokens: TokenStream, found: &mut Vec<Violation>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Ident(name) if name == "asm" && next_is(&mut tokens, '!') => {
                tokens.next();
                match tokens.next() {
                    Some(TokenTree::Group(group)) => assembly(&group, found),
                    _ => found.push(Violation::new(name.span(), "asm!", BLOCK)),
                }
            }
            other => plain(other, found),
        }
    }
}

/// Names, numbers, and what assigns or casts them: nothing that calls, dereferences or selects.
fn plain(token: &TokenTree, found: &mut Vec<Violation>) {
    match token {
        TokenTree::Punct(punct) if matches!(punct.as_char(), '*' | '.' | '!' | '#') => {
            found.push(Violation::new(punct.span(), punct.as_char(), BLOCK));
        }
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
            group.stream().into_iter().for_each(|token| plain(&token, found));
        }
        TokenTree::Group(group) => found.push(Violation::new(group.span(), bracket(group), BLOCK)),
        TokenTree::Ident(name) if name == "unsafe" => found.push(Violation::new(name.span(), "unsafe", BLOCK)),
        _ => {}
    }
}

fn bracket(group: &Group) -> &'static str {
    if group.delimiter() == Delimiter::Parenthesis { "(" } else { "{" }
}

/// The arguments of an `asm!`: texts first, then operands.
fn assembly(group: &Group, found: &mut Vec<Violation>) {
    let mut tokens = group.stream().into_iter().peekable();
    if !matches!(tokens.peek(), Some(TokenTree::Literal(_))) {
        found.push(Violation::new(group.span(), "asm!", "begins with a text here"));
    }
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Literal(text) if text.to_string().ends_with(['"', '#']) => {
                template(&text.to_string(), text.span(), found)
            }
            TokenTree::Ident(word) if ["sym", "label", "asm"].iter().any(|banned| word == banned) => {
                found.push(Violation::new(word.span(), word.to_string(), MEMORY));
            }
            TokenTree::Ident(word) if CLASSES.iter().any(|class| word == class) => {
                if let Some(TokenTree::Group(inner)) = tokens.next_if(|next| matches!(next, TokenTree::Group(_))) {
                    class(inner.stream(), found);
                }
            }
            other => plain(other, found),
        }
    }
}

/// What stands in `in(...)` or `options(...)`: names and texts.
fn class(tokens: TokenStream, found: &mut Vec<Violation>) {
    for token in tokens {
        match &token {
            TokenTree::Ident(word) if word == "att_syntax" => {
                found.push(Violation::new(word.span(), "att_syntax", "makes other rules of the same text"));
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {}
            TokenTree::Punct(punct) if matches!(punct.as_char(), ',' | '|') => {}
            other => found.push(Violation::new(other.span(), other.to_string(), BLOCK)),
        }
    }
}

/// Each instruction of a text.
fn template(literal: &str, span: Span, found: &mut Vec<Violation>) {
    let raw = literal.strip_prefix('r').map(|rest| rest.trim_matches('#'));
    let quoted = raw.unwrap_or(literal).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(text) = quoted else {
        found.push(Violation::new(span, literal, MEMORY));
        return;
    };
    let text = if raw.is_some() { text.to_owned() } else { text.replace("\\n", "\n").replace("\\t", "\t") };
    for line in text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty()) {
        let (word, operands) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let known = INSTRUCTIONS.contains(&word) && (operands.is_empty() || operands.split(',').all(operand));
        if !known {
            found.push(Violation::new(span, line, MEMORY));
        }
    }
}

/// Whether this is a register, zero, or a place for an operand.
fn operand(text: &str) -> bool {
    let text = text.trim();
    let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if let Some(place) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        return place.split(':').all(|part| part.is_empty() || word(part));
    }
    // Any other number would be a hypercall's own.
    text == "0" || register(text)
}

/// The general registers of 64 and 32 bits, but for rsp and rbp.
fn register(text: &str) -> bool {
    let numbered = text.strip_prefix('r').map(|rest| rest.strip_suffix('d').unwrap_or(rest));
    let named = ["ax", "bx", "cx", "dx", "si", "di"].iter().any(|name| text.get(1..) == Some(name));
    (named && text.starts_with(['r', 'e']))
        || numbered.is_some_and(|number| (8..16).any(|known| known.to_string() == number))
}

fn next_is(tokens: &mut Peekable<impl Iterator<Item = TokenTree>>, wanted: char) -> bool {
    matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(source: &str) -> Vec<String> {
        super::super::found_by(check, source)
    }

    #[test]
    fn ways_to_write_a_hypercall_are_free() {
        for source in [
            include_str!("../../../../solutions/stage1-console/hypercall.rs"),
            "fn f() { let r; unsafe { asm!(\"syscall\", in(\"rax\") n as u64, lateout(\"rax\") r, options(nostack, nomem)) } r }",
            "fn f() { unsafe { let r: i64; core::arch::asm!(\"mov r10, {d}\", \"syscall\", d = in(reg) a[3], out(\"rax\") r); r } }",
            "fn f() { unsafe { asm!(\"mov rdi, {0}\\nmov esi, 0; xor r8d, r8d\\n syscall\", in(reg) x, clobber_abi(\"C\")) } }",
            "pub unsafe fn call() {} fn f(x: &[u8]) -> u8 { *x.first().unwrap() }",
        ] {
            assert_eq!(said(source), [""; 0], "{source}");
        }
    }

    #[test]
    fn memory_is_out_of_reach() {
        for source in [
            "fn f(p: *const u8) { unsafe { *p } }",
            "fn f(p: *const u8) { unsafe { p.read_volatile() } }",
            "fn f() { unsafe { core::ptr::read(p) } }",
            "fn f() { unsafe { core::mem::transmute(p) } }",
            "fn f() { unsafe { { *p } } }",
            "fn f() { unsafe { addr_of!(X) } }",
            "fn f() { unsafe { asm!(\"mov {}, [{}]\", out(reg) x, in(reg) p) } }",
            "fn f() { unsafe { asm!(\"mov {}, {}\", out(reg) x, sym SECRET) } }",
            "fn f() { unsafe { asm!(\"mov rax, secret\", out(\"rax\") x) } }",
            "fn f() { unsafe { asm!(\"mov eax, 9\", \"syscall\") } }",
            "fn f() { unsafe { asm!(\"mov rax, gs:0\", out(\"rax\") x) } }",
            "fn f() { unsafe { asm!(\"mov rsp, {}\", \"pop {}\", in(reg) p, out(reg) x) } }",
            "fn f() { unsafe { asm!(\"lodsq\", out(\"rax\") x) } }",
            "fn f() { unsafe { asm!(\".incbin \\\"/etc/passwd\\\"\") } }",
            "fn f() { unsafe { asm!(r#\".include \"/etc/passwd\"\"#) } }",
            "fn f() { unsafe { asm!(\"mov 0x1000, %rax\", options(att_syntax)) } }",
            "fn f() { unsafe { asm!(\"syscall\", in(\"rax\") *p) } }",
            "fn f() { unsafe { asm!(\"syscall\", in(\"rax\") read(p)) } }",
            "fn f() { unsafe { asm!(\"syscall\", in(\"rax\") p.read()) } }",
            "fn f() { unsafe { asm!(concat!(\"mov \", \"rax, [rdi]\")) } }",
            "fn f() { unsafe { asm!(\"mov rax, \\x5brdi\\x5d\") } }",
            "unsafe impl Send for X {}",
        ] {
            assert!(!said(source).is_empty(), "{source}");
        }
    }
}
