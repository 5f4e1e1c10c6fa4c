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
//! | [`cli`] | the command line; the commands themselves are modules named after them |

pub mod cache;
pub mod check;
pub mod cli;
pub mod course;
pub mod error;
pub mod interrupt;
pub mod process;
pub mod terminal;
pub mod ui;

use std::ffi::OsString;
use std::process::Command;

/// The cargo that started the harness, or the one on the path.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Keeps the caller's own compiler settings out of a build that must come out the same for everybody.
pub fn plain_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let sets_flags = text.ends_with("RUSTFLAGS") || text.ends_with("RUSTDOCFLAGS");
        let sets_build = text.starts_with("CARGO_BUILD_") || text.starts_with("CARGO_PROFILE_");
        let wraps = matches!(&*text, "RUSTC" | "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" | "CARGO_TARGET_DIR");
        if sets_flags || sets_build || wraps || text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
}

/// The last `lines` lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
