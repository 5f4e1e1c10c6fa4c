//! The host side of Stardust: builds the stages, boots them under the real Xen in a test host, checks what
//! they do, and reports it.
//!
//! | module | what it does |
//! |---|---|
//! | [`course`] | the stages, exercises and points, as data |
//! | [`guest`] | compiles, verifies and writes the images that Xen boots; explains addresses in them |
//! | [`host`] | builds the Xen test host from the distribution's packages |
//! | [`machine`] | runs the test host under QEMU and talks to the agent in it |
//! | [`check`] | judges a stage, from rules to records of a booted guest |
//! | [`progress`] | remembers what a student has reached |
//! | [`book`] | builds, serves and checks the book |
//! | [`cli`] | the command line; the commands themselves are modules named after them |

#[cfg(test)]
#[macro_use]
mod snapshot;

pub mod app;
pub mod bench;
pub mod bless;
pub mod book;
pub mod build;
pub mod cache;
pub mod check;
pub mod cli;
pub mod completions;
pub mod course;
pub mod dev;
pub mod diff;
pub mod doctor;
pub mod domain;
pub mod error;
pub mod explain;
pub mod git;
pub mod given;
pub mod grade;
pub mod guest;
pub mod handout;
pub mod hint;
pub mod host;
pub mod host_command;
pub mod image;
pub mod interrupt;
pub mod lint;
pub mod list;
pub mod machine;
pub mod man;
pub mod next;
pub mod prerequisites;
pub mod process;
pub mod program;
pub mod progress;
pub mod reset;
pub mod run;
pub mod sandbox;
pub mod similarity;
pub mod soak;
pub mod solution;
pub mod status;
pub mod stream;
pub mod submit;
pub mod terminal;
pub mod toolchain;
pub mod ui;
pub mod watch;
pub mod whole;
pub mod work;

/// The last `lines` lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
