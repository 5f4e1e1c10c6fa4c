//! The check of a stage as a whole: the guest boots on the student's own work and says what it has to say.
//!
//! The console is compared with a snapshot of the reference's, in which everything that differs from boot to boot
//! is replaced by a word. A difference alone costs no points: a student may say more.

use super::expect::Facts;
use super::judge::{Evidence, explain};
use super::results::{CheckResult, Status, Wrong};
use super::{Request, expect};
use regex::Regex;
use similar::{ChangeTag, TextDiff};
use std::path::{Path, PathBuf};

/// What is wrong where the reference's console is not its snapshot.
pub const SNAPSHOT: &str = "the console, compared with its snapshot";

/// Judges the live part of a session.
pub fn judge(whole: &mut CheckResult, request: &Request, evidence: &Evidence) {
    let outcome = evidence.outcome;
    if !outcome.todo.is_empty() {
        let ids: Vec<&str> = outcome.todo.keys().map(String::as_str).collect();
        whole.status = Status::Blocked;
        whole.message = Some(format!("the live boot needs every exercise; not attempted: {}", ids.join(", ")));
        return;
    }
    whole.console = outcome.live[outcome.live.len().saturating_sub(6)..].to_vec();
    if let Some(stop) = &outcome.stopped {
        (whole.status, whole.message) = explain(stop, evidence);
        return;
    }
    let Some(ended) = &outcome.ended else { return };
    let word = live_word(request.seed, &whole.id);
    let mut wrong = Vec::new();
    if !outcome.live.iter().any(|line| line.contains(&word)) {
        let got = outcome.live.last().cloned().unwrap_or_else(|| "an empty console".to_owned());
        let what = "a word drawn from the seed, printed through your console".to_owned();
        wrong.push(Wrong { what, expected: word.clone(), got });
    }
    let banner = banner(evidence.facts);
    if !outcome.live.contains(&banner) {
        let got = outcome.live.iter().find(|line| line.starts_with("Xen ")).cloned();
        let what = "Xen's version and what it can run, in the banner".to_owned();
        wrong.push(Wrong { what, expected: banner, got: got.unwrap_or_else(|| "no such line".to_owned()) });
    }
    if ended != "poweroff" {
        let what = "how the guest ended, as xl tells it".to_owned();
        wrong.push(Wrong { what, expected: "poweroff".to_owned(), got: ended.clone() });
    }
    let difference = evidence.snapshot.and_then(|expected| difference(expected, &filter(&outcome.live, &word)));
    if let (Some(difference), "solution") = (&difference, request.mode()) {
        // The snapshot is the reference's own: here a difference is a mistake in one of the two.
        let what = SNAPSHOT.to_owned();
        wrong.push(Wrong { what, expected: "the same text".to_owned(), got: difference.clone() });
    } else if let Some(difference) = difference {
        whole.message = Some(format!("the console differs from the reference's (no points lost):\n{difference}"));
    }
    whole.status = if wrong.is_empty() { Status::Pass } else { Status::Fail };
    whole.points = if wrong.is_empty() && request.work.references.is_empty() { whole.max } else { 0 };
    whole.wrong = wrong;
}

/// What the live boot says through the student's console: `live: ` and a word drawn from the seed.
fn live_word(seed: u64, id: &str) -> String {
    let mut rng = expect::rng(seed, id);
    (0..8).map(|_| rng.lowercase()).collect()
}

/// The line of the banner that takes a hypercall which answers: it says what dom0 says of the same Xen.
fn banner(facts: &Facts) -> String {
    format!("Xen {} ({})", facts.xen_version, facts.xen_capabilities.trim_end())
}

/// The live console in a saved log, as its snapshot has it: what comes behind the line about the checks.
pub fn steady(log: &str) -> Option<String> {
    let live: Vec<String> = log.lines().skip(1).map(str::to_owned).collect();
    let word = live.iter().find_map(|line| line.strip_prefix("live: "))?.to_owned();
    Some(filter(&live, &word))
}

/// Where the snapshot of a stage's console is, from the checkout's root.
pub fn snapshot_path(stage: u32) -> PathBuf {
    Path::new("harness/snapshots").join(format!("stage{stage}.snap"))
}

/// A snapshot's text, without the header that insta puts before it.
pub fn snapshot_text(file: &str) -> Option<&str> {
    let (_, rest) = file.strip_prefix("---\n")?.split_once("\n---\n")?;
    Some(rest.trim_end())
}

/// The console with everything that differs from boot to boot replaced by a word.
pub fn filter(console: &[String], word: &str) -> String {
    let replacements = [
        (r"0x[0-9a-f]+", "[address]"),
        (r"Xen \d+\.\d+[0-9.]*", "Xen [version]"),
        (r"\(xen-3\.0-x86_64[^)]*\)", "([capabilities])"),
        (r"\d+ KiB", "[size]"),
        (r"(?m)^\[ *\d+\.\d+ cpu \d+( [^\]]*)?\]", "[time]"),
        (r"domain: \d+", "domain: [number]"),
    ];
    let mut text = console.join("\n").replace(word, "[word]");
    for (pattern, name) in replacements {
        if let Ok(pattern) = Regex::new(pattern) {
            text = pattern.replace_all(&text, name).into_owned();
        }
    }
    text.trim_end().to_owned()
}

/// The lines that differ, or `None` where none does.
fn difference(expected: &str, got: &str) -> Option<String> {
    let diff = TextDiff::from_lines(expected, got);
    let lines = diff.iter_all_changes().filter_map(|change| match change.tag() {
        ChangeTag::Delete => Some(format!("- {}", change.value().trim_end())),
        ChangeTag::Insert => Some(format!("+ {}", change.value().trim_end())),
        ChangeTag::Equal => None,
    });
    let lines: Vec<String> = lines.collect();
    (expected != got).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_boot_to_boot_is_replaced() {
        let console = ["Xen 4.17 (xen-3.0-x86_64 hvm-3.0-x86_32p)", "text 0xffffffff80000000", "said otter"];
        let text = filter(&console.map(str::to_owned), "otter");
        assert_eq!(text, "Xen [version] ([capabilities])\ntext [address]\nsaid [word]");
        assert_eq!(filter(&["[    6.409817 cpu 0] info: up".to_owned()], "otter"), "[time] info: up");
        assert_eq!(filter(&["[    6.409817 cpu 3 idle 3] info: up".to_owned()], "otter"), "[time] info: up");
    }

    #[test]
    fn a_snapshot_is_read_without_its_header() {
        assert_eq!(
            snapshot_text("---\nsource: x\nexpression: y\n---\nline one\nline two\n"),
            Some("line one\nline two")
        );
        assert_eq!(snapshot_text("no header"), None);
    }

    #[test]
    fn a_difference_shows_both_sides() {
        assert_eq!(difference("a\nb\n", "a\nc\n").as_deref(), Some("- b\n+ c"));
        assert_eq!(difference("a", "a"), None);
    }
}
