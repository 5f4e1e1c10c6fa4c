//! The things that stages measure: in words, what Linux does that compares with each, and what we aim at.
//!
//! Invariant: a guest may measure what is not listed; it is then told by its name alone.

/// A limit on a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// At most so many instructions.
    Instructions(u64),
    /// At most this part of Linux's.
    OfLinux(f64),
}

/// One thing.
#[derive(Debug)]
pub struct Known {
    /// What the guest calls it.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// What the program in the Linux guest calls what it compares with.
    pub linux: Option<&'static str>,
    /// What we aim at.
    pub aims: &'static [Aim],
}

const fn plain(name: &'static str, title: &'static str) -> Known {
    Known { name, title, linux: None, aims: &[] }
}

const fn beside(name: &'static str, title: &'static str, linux: &'static str) -> Known {
    Known { name, title, linux: Some(linux), aims: &[] }
}

/// All that are known.
pub const ALL: &[Known] = &[
    beside("boot-to-banner", "first instruction to the banner", "boot-to-init"),
    Known {
        name: "boot-to-main",
        title: "first instruction to main",
        linux: Some("boot-to-init"),
        aims: &[Aim::Instructions(400_000)],
    },
    plain("loop-of-2001", "a loop of 2001 instructions"),
    beside("hypercall", "the shortest hypercall", "system-call"),
    plain("event-send-refused", "event to no port"),
    plain("console-write-64", "64 bytes into a console ring"),
];

/// What is known of `name`.
pub fn find(name: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| known.name == name)
}
