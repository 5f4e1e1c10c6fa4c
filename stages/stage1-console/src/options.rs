//! The keys of the command line: which there are, and what to say about others.
//!
//! Invariant: a mistake on the command line never stops the guest. It is named, with what would be accepted,
//! and the default holds.

use crate::boot_info::{CommandLine, Token};
use crate::{logger, println};

/// A key that a program understands.
#[derive(Clone, Copy)]
pub struct Key {
    /// What stands before the `=`.
    pub name: &'static str,
    /// What may stand behind it.
    pub values: Values,
}

/// What may stand behind a key.
#[derive(Clone, Copy)]
pub enum Values {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A decimal number.
    Number,
    /// What these words describe, and this function takes.
    Like(&'static str, fn(&str) -> bool),
}

/// The keys that every program understands, besides `app`.
pub const KEYS: &[Key] = &[
    Key { name: "log", values: Values::OneOf(logger::LEVELS) },
    Key { name: "color", values: Values::OneOf(logger::COLORS) },
];

impl Values {
    fn accept(self, value: Option<&str>) -> bool {
        match self {
            Self::OneOf(words) => value.is_some_and(|value| words.contains(&value)),
            Self::Number => value.is_some_and(|value| value.parse::<u64>().is_ok()),
            Self::Like(_, accepts) => value.is_some_and(accepts),
        }
    }
}

/// Names each mistake on the command line: a key that is in none of `keys`, or one of theirs with a value that
/// it doesn't take. Where there are no `apps`, there is no key `app` either.
pub fn review(command_line: CommandLine<'_>, apps: &[&'static str], keys: &[&[Key]]) {
    for token in command_line.tokens() {
        let key = keys.iter().copied().flatten().find(|key| key.name == token.key);
        match (token, key) {
            (Token { key: "app", value }, _) if !apps.is_empty() => {
                if !value.is_some_and(|value| apps.contains(&value)) {
                    refuse(token, apps.iter().copied());
                }
            }
            (_, Some(key)) if key.values.accept(token.value) => {}
            (_, Some(Key { values: Values::OneOf(words), .. })) => refuse(token, words.iter().copied()),
            (_, Some(Key { values: Values::Number, .. })) => refuse(token, ["a number"].into_iter()),
            (_, Some(Key { values: Values::Like(what, _), .. })) => refuse(token, [*what].into_iter()),
            (_, None) => {
                let names = keys.iter().copied().flatten().map(|key| key.name);
                let app = (!apps.is_empty()).then_some("app");
                refuse(Token { value: None, ..token }, app.into_iter().chain(names));
            }
        }
    }
}

fn refuse(token: Token<'_>, accepted: impl Iterator<Item = &'static str> + Clone) {
    match token.value {
        Some(value) => crate::print!("unknown value {}={value}; accepted:", token.key),
        None => crate::print!("unknown key {}; accepted:", token.key),
    }
    for word in accepted {
        crate::print!(" {word}");
    }
    println!();
}
