//! What an exercise about `asm!` may give to it.
//!
//! A hypercall has Xen read and write memory by addresses that are numbers, and copy, map or reveal whatever it is asked
//! for. So code that may make any hypercall has all that the guest has, without a single access of its own. An exercise
//! that wraps the instruction needs far less: it passes on what its function was handed. So there is one `asm!`, in a
//! function, and what goes into it are that function's parameters, their parts, and zeros. The function is an `unsafe fn`: no
//! exercise can call one, as another rule keeps calls out of `unsafe` blocks.
//!
//! Invariant: what is not known to be a parameter's is a violation. What is done behind the `asm!` is not looked at: no
//! other follows.

use super::Violation;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::BTreeSet;

const ONCE: &str = "may stand once, in an `unsafe fn`";
const SHAPE: &str = "may not stand before the `asm!`, in front of which there are `let`s only";
const INPUT: &str = "may not go into the `asm!`: only the function's parameters, their parts, and 0 do";

/// Adds what the tokens of a file break.
pub fn check(tokens: TokenStream, found: &mut Vec<Violation>) {
    let mut seen = 0;
    functions(tokens, found, &mut seen);
}

/// Looks at each function, and counts in `seen` each `asm!`.
fn functions(tokens: TokenStream, found: &mut Vec<Violation>, seen: &mut u32) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if is_word(&tokens[at], "fn") {
            let end =
                (at..tokens.len()).find(|&at| is_group(&tokens[at], Delimiter::Brace)).unwrap_or(tokens.len() - 1);
            let parameters = tokens[at..end].iter().find(|token| is_group(token, Delimiter::Parenthesis));
            if let (Some(TokenTree::Group(parameters)), TokenTree::Group(body)) = (parameters, &tokens[end]) {
                if holds_asm(&tokens[end..=end]) && !(at > 0 && is_word(&tokens[at - 1], "unsafe")) {
                    found.push(Violation::new(
                        tokens[at].span(),
                        "fn",
                        "may not hold an `asm!`, unless it is an `unsafe fn`",
                    ));
                }
                let mut flow = Flow { known: BTreeSet::new(), found, seen, past: false };
                parameters_of(parameters).into_iter().for_each(|pattern| flow.bind(&pattern, true));
                flow.statements(&body.stream().into_iter().collect::<Vec<_>>());
            }
            at = end;
        } else if is_asm(&tokens, at) {
            found.push(Violation::new(tokens[at].span(), "asm!", ONCE));
        } else if let TokenTree::Group(group) = &tokens[at] {
            functions(group.stream(), found, seen);
        }
        at += 1;
    }
}

/// The patterns of a function's parameters.
fn parameters_of(group: &Group) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let pattern = |parameter: &[TokenTree]| parameter.iter().take_while(|token| !is(token, ':')).cloned().collect();
    tokens.split(|token| is(token, ',')).map(pattern).collect()
}

/// One function, read from its beginning to its `asm!`.
struct Flow<'a> {
    /// Names of parameters and of their parts.
    known: BTreeSet<String>,
    found: &'a mut Vec<Violation>,
    seen: &'a mut u32,
    /// Whether the `asm!` is behind us.
    past: bool,
}

impl Flow<'_> {
    /// Binds the names of a pattern: to parts of parameters, or to anything else. What may change is anything.
    fn bind(&mut self, pattern: &[TokenTree], to_known: bool) {
        let keep = to_known && !pattern.iter().any(|token| is_word(token, "mut"));
        for token in pattern {
            match token {
                TokenTree::Ident(name) if keep => drop(self.known.insert(name.to_string())),
                TokenTree::Ident(name) => drop(self.known.remove(&name.to_string())),
                TokenTree::Group(group) => self.bind(&group.stream().into_iter().collect::<Vec<_>>(), keep),
                _ => {}
            }
        }
    }

    fn statements(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            if is_asm(tokens, at) {
                *self.seen += 1;
                if *self.seen > 1 || self.past {
                    self.found.push(Violation::new(tokens[at].span(), "asm!", ONCE));
                }
                if let Some(TokenTree::Group(arguments)) = tokens.get(at + 2) {
                    self.inputs(arguments);
                }
                self.past = true;
                at += 3;
                continue;
            }
            match &tokens[at] {
                TokenTree::Ident(word) if word == "let" => {
                    let end = tokens[at..].iter().position(|token| is(token, ';')).map_or(tokens.len(), |end| at + end);
                    let statement = &tokens[at + 1..end];
                    let equals = statement.iter().position(|token| is(token, '=')).unwrap_or(statement.len());
                    let colon = statement[..equals].iter().position(|token| is(token, ':')).unwrap_or(equals);
                    let value = statement.get(equals + 1..).unwrap_or_default();
                    // The asm! may be in there.
                    self.statements(value);
                    let to_known = !value.is_empty() && self.is_known(value);
                    self.bind(&statement[..colon], to_known);
                    at = end;
                }
                TokenTree::Ident(word)
                    if ["if", "else", "match", "for", "while", "loop", "fn"].iter().any(|shape| word == shape) =>
                {
                    self.refuse_before(&tokens[at], tokens, at);
                }
                TokenTree::Punct(punct) if punct.as_char() == '|' => self.refuse_before(&tokens[at], tokens, at),
                TokenTree::Group(group) => self.statements(&group.stream().into_iter().collect::<Vec<_>>()),
                _ => {}
            }
            at += 1;
        }
    }

    /// A shape that may bind names, or do something again, is wrong where an `asm!` is in it or follows.
    fn refuse_before(&mut self, token: &TokenTree, tokens: &[TokenTree], at: usize) {
        if !self.past && holds_asm(&tokens[at..]) {
            self.found.push(Violation::new(token.span(), token.to_string(), SHAPE));
        }
    }

    /// What goes into an `asm!`.
    fn inputs(&mut self, arguments: &Group) {
        let tokens: Vec<TokenTree> = arguments.stream().into_iter().collect();
        for operand in tokens.split(|token| is(token, ',')) {
            if let Some(constant) = operand.iter().find(|token| is_word(token, "const")) {
                self.found.push(Violation::new(constant.span(), "const", INPUT));
            }
            let class = |token: &TokenTree| ["in", "inout", "inlateout"].iter().any(|class| is_word(token, class));
            let Some(class) = operand.iter().position(class) else { continue };
            // Behind the register, up to `=> output`.
            let value = operand.get(class + 2..).unwrap_or_default();
            let end = value.windows(2).position(|pair| is(&pair[0], '=') && is(&pair[1], '>')).unwrap_or(value.len());
            let is_zero = value[..end].iter().map(ToString::to_string).eq(["0"])
                || matches!(&value[..end], [TokenTree::Literal(zero)] if zero.to_string().trim_start_matches(['0', '_']).starts_with(['u', 'i']));
            if let Some(first) = value.first()
                && !is_zero
                && !self.is_known(&value[..end])
            {
                let text: String = value[..end].iter().map(ToString::to_string).collect();
                self.found.push(Violation::new(first.span(), text, INPUT));
            }
        }
    }

    /// Whether an expression is a parameter or a part of one: names, an index that is a number, a cast, a list of such.
    fn is_known(&self, tokens: &[TokenTree]) -> bool {
        tokens.iter().enumerate().all(|(at, token)| match token {
            TokenTree::Ident(name) => {
                let is_type = at > 0 && is_word(&tokens[at - 1], "as");
                name == "as" || is_type || self.known.contains(&name.to_string())
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let is_index = at > 0 && matches!(&inner[..], [TokenTree::Literal(_)]);
                is_index || self.is_known(&inner)
            }
            TokenTree::Punct(punct) => punct.as_char() == ',',
            _ => false,
        })
    }
}

fn holds_asm(tokens: &[TokenTree]) -> bool {
    let inside = |token: &TokenTree| match token {
        TokenTree::Group(group) => holds_asm(&group.stream().into_iter().collect::<Vec<_>>()),
        _ => false,
    };
    (0..tokens.len()).any(|at| is_asm(tokens, at) || inside(&tokens[at]))
}

fn is_asm(tokens: &[TokenTree], at: usize) -> bool {
    is_word(&tokens[at], "asm") && tokens.get(at + 1).is_some_and(|token| is(token, '!'))
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(name) if name == word)
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(source: &str) -> Vec<String> {
        super::super::found_by(check, source)
    }

    #[test]
    fn what_is_handed_over_may_be_passed_on() {
        for source in [
            include_str!("../../../../solutions/stage1-console/hypercall.rs"),
            include_str!("../../../tests/corpus/stage1/right-hypercall-moves-r10/hypercall.rs"),
            "unsafe fn f(n: u64, [a, b]: [u64; 2]) -> i64 { let r; unsafe { asm!(\"syscall\", in(\"rax\") n as i64, in(\"rdi\") a, in(\"rsi\") 0_u64, in(\"rdx\") 0, lateout(\"rax\") r) } if r > 4 { g(|x| x + 1) } r }",
            "unsafe fn f(n: u64, a: [u64; 4]) -> i64 { let [x, y, ..] = a; let list = [x, y]; let r = unsafe { let r: i64; core::arch::asm!(\"syscall\", inout(\"rax\") n => r, p = in(\"rdi\") list[1]); r }; r }",
            "fn g() -> u64 { 27 } unsafe fn f(n: u64) { let other = g() + 3; unsafe { asm!(\"syscall\", in(\"rax\") n) } }",
        ] {
            assert_eq!(said(source), [""; 0], "{source}");
        }
    }

    #[test]
    fn no_other_number_gets_to_xen() {
        for source in [
            "unsafe fn f(n: u64) { unsafe { asm!(\"syscall\", in(\"rax\") 9) } }",
            "unsafe fn f(n: u64) { unsafe { asm!(\"syscall\", in(\"rax\") n + 1) } }",
            "unsafe fn f(n: u64) { unsafe { asm!(\"syscall\", in(\"rax\") NUMBER) } }",
            "unsafe fn f(n: u64) { unsafe { asm!(\"syscall\", in(\"rax\") g(n)) } }",
            "unsafe fn f(n: u64) { unsafe { asm!(\"syscall\", inlateout(\"rax\") 9 => _) } }",
            "unsafe fn f(n: u64) { unsafe { asm!(\"syscall\", x = const 9) } }",
            "unsafe fn f(n: u64) { let n = 9; unsafe { asm!(\"syscall\", in(\"rax\") n) } }",
            "unsafe fn f(n: u64) { let u64 = 9; unsafe { asm!(\"syscall\", in(\"rax\") u64) } }",
            "unsafe fn f(n: u64) { let m = n ^ 5; unsafe { asm!(\"syscall\", in(\"rax\") m) } }",
            "unsafe fn f(mut n: u64) { n = 9; unsafe { asm!(\"syscall\", in(\"rax\") n) } }",
            "unsafe fn f(n: u64) { let mut m = n; m += 5; unsafe { asm!(\"syscall\", in(\"rax\") m) } }",
            "unsafe fn f(n: u64) { match 9 { n => unsafe { asm!(\"syscall\", in(\"rax\") n) } } }",
            "unsafe fn f(n: u64) { if let n = 9 { unsafe { asm!(\"syscall\", in(\"rax\") n) } } }",
            "unsafe fn f(n: u64) { for n in 0..9 { unsafe { asm!(\"syscall\", in(\"rax\") n) } } }",
            "unsafe fn f(n: u64) { let g = |n| unsafe { asm!(\"syscall\", in(\"rax\") n) }; g(9) }",
            "unsafe fn f(n: u64) { fn g(n: u64) { unsafe { asm!(\"syscall\", in(\"rax\") n) } } g(9) }",
            "unsafe fn f(n: u64) { let r; unsafe { asm!(\"syscall\", in(\"rax\") n, out(\"rax\") r) } unsafe { asm!(\"syscall\", in(\"rax\") r) } }",
            "unsafe fn f(n: u64) { unsafe { asm!(\"syscall\", in(\"rax\") n) } } fn g(n: u64) { unsafe { asm!(\"syscall\", in(\"rax\") n) } }",
            "fn f(n: u64) { unsafe { asm!(\"syscall\", in(\"rax\") n) } }",
            "const X: () = unsafe { asm!(\"syscall\") };",
        ] {
            assert!(!said(source).is_empty(), "{source}");
        }
    }
}
