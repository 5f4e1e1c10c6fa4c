//! Where an instructor's own checks go: `harness grade --hidden` puts a file of theirs in the place of this one, for
//! the time of a run.

use console::bedrock::Reporter;

/// Runs them, after all others: here there are none.
pub fn run(_: &Reporter) {}
