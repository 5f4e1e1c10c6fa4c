//! Refuses a linked guest that would fail under Xen in ways that are hard to find there.
//!
//! Each rule looks at the ELF alone and says which function or segment breaks it, where that is in the
//! source, and what to do. Invariant: a rule either passes for a reason that its module states, or reports.
//!
//! - [`code`]: no access below rsp (the red zone); `syscall` and its kin in the hypercall path only.
//! - [`layout`]: no memory that is writable and executable; addresses that Xen's loader accepts.
//! - [`notes`]: the Xen notes are there and make sense.

pub mod code;
pub mod layout;
pub mod notes;

use super::elf::Linked;
use super::names;
use super::symbolize::Symbolizer;
use crate::error::{Error, Kind, Result};
use std::fmt;
use std::path::Path;

/// The rules, by the names that messages use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing is read, written or pointed at below rsp.
    RedZone,
    /// `syscall`, `sysenter` and `int n` stand in the hypercall path only.
    Syscall,
    /// No memory is writable and executable; constants are neither.
    Permissions,
    /// Segments lie where Xen's loader puts them.
    Layout,
    /// The Xen notes are present and right.
    Notes,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RedZone => "red zone",
            Self::Syscall => "stray system call",
            Self::Permissions => "W^X",
            Self::Layout => "layout",
            Self::Notes => "Xen notes",
        })
    }
}

/// One break of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The address in question, for rules on code.
    pub address: Option<u64>,
    /// The function there, demangled.
    pub function: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub next: &'static str,
}

impl Finding {
    fn new(rule: Rule, what: impl Into<String>, next: &'static str) -> Self {
        Self { rule, address: None, function: None, what: what.into(), next }
    }
}

/// Everything that is wrong with a linked guest: at most one finding a rule and function.
pub fn findings(linked: &Linked<'_>) -> Vec<Finding> {
    let mut found = layout::findings(linked);
    found.extend(notes::findings(linked));
    found.extend(code::findings(linked));
    found
}

/// Refuses a guest with findings. Source lines come from the ELF file at `linked.path`; `root` is what they
/// are shown relative to.
///
/// # Errors
/// Kind [`Kind::Build`], with every finding (the first few, if there are many).
pub fn verify(linked: &Linked<'_>, root: &Path) -> Result<()> {
    const SHOWN: usize = 8;
    let found = findings(linked);
    if found.is_empty() {
        return Ok(());
    }
    let symbolizer = Symbolizer::open(&linked.path, root).ok();
    let mut text = format!("{} would not run safely under Xen:", linked.path.display());
    for finding in found.iter().take(SHOWN) {
        let place = finding.address.and_then(|address| symbolizer.as_ref()?.place(address));
        text.push_str(&format!("\n  {}: ", finding.rule));
        if let Some(function) = &finding.function {
            let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
            text.push_str(&format!("{function}{place} "));
        }
        text.push_str(&finding.what);
        text.push_str(&format!("\n    {}", finding.next));
    }
    if found.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", found.len() - SHOWN));
    }
    Err(Error::new(Kind::Build, text))
}

/// The demangled name of the function at `address`.
fn function_at(linked: &Linked<'_>, address: u64) -> String {
    linked
        .function(address)
        .map_or_else(|| format!("code without a symbol at {address:#x}"), |function| names::full(function.name))
}
