//! Results for people: one line a check, and for what went wrong what to look at and what to do next.

use super::results::{CheckResult, ExerciseResult, HostTests, Results, Status, Totals};
use crate::course::Stage;
use crate::progress::{Next, State};
use std::fmt::Write;
use std::path::Path;

/// Wrong observations shown of one check: the first is what to look at, and the others often follow from it.
const SHOWN: usize = 3;

/// How text may be decorated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// With colours and links, as a terminal shows them.
    pub decorated: bool,
}

impl Style {
    /// Text in the colour of an SGR code.
    pub fn paint(self, code: &str, text: &str) -> String {
        if self.decorated { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Text to stand out.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Text to stand back.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A word about how far something is, in the colour of that.
    pub fn state(self, state: State, text: &str) -> String {
        match state {
            State::Passed => self.status(Status::Pass, text),
            State::Failed(status) => self.status(status, text),
            State::Stale => self.status(Status::Blocked, text),
            State::NotBegun | State::Begun => text.to_owned(),
        }
    }

    fn status(self, status: Status, text: &str) -> String {
        let colour = match status {
            Status::Pass => "32",
            Status::NotAttempted | Status::Blocked => "33",
            _ => "31",
        };
        self.paint(colour, text)
    }

    /// A file's name, as a link where the terminal follows links.
    pub fn link(self, root: &Path, file: &Path, line: Option<usize>) -> String {
        let text = line.map_or(file.display().to_string(), |line| format!("{}:{line}", file.display()));
        if !self.decorated {
            return text;
        }
        format!("\x1b]8;;file://{}\x1b\\{text}\x1b]8;;\x1b\\", root.join(file).display())
    }
}

/// The report of a check. `open` is what there is to do once this passes, where that is known.
pub fn human(results: &Results, stage: &Stage, root: &Path, style: Style, open: Option<Next>) -> String {
    let mut text = String::new();
    let whose = match results.mode.as_str() {
        "solution" => "the reference",
        "submission" => "what was handed in",
        _ => "your work",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", style.strong(&format!("stage {}: {}, {whose}", stage.number, stage.title)));
    if let Some(tests) = &results.host_tests {
        host_tests(&mut text, tests, style);
    }
    for exercise in &results.exercises {
        exercise_block(&mut text, exercise, stage, root, style);
    }
    if let Some(whole) = &results.integration {
        check_block(&mut text, whole, style);
    }
    let seconds = Duration(results.ms);
    let Totals { points, max } = results.totals;
    let total = if let Some(error) = &results.error {
        error.clone()
    } else if results.stopped_by_host_tests() {
        "not booted, so no points were given (`--keep-going` boots in spite of a failed host test)".to_owned()
    } else if results.mode != "solution" {
        format!("{points} of {max} points")
    } else if results.exit() == 0 {
        "the reference passes all checks".to_owned()
    } else {
        "the reference does not pass".to_owned()
    };
    let _ = writeln!(text, "{}", style.strong(&total));
    let image = results
        .image_bytes
        .map(|bytes| format!("image with checks {} KiB stripped, ", bytes.div_ceil(1024)))
        .unwrap_or_default();
    let _ = writeln!(text, "{}", style.faint(&format!("{image}seed {}, {seconds}", results.seed)));
    if let Some(log) = &results.log {
        let _ = writeln!(text, "{}", style.faint(&format!("console: {}", log.display())));
    }
    if results.mode != "submission" && results.error.is_none() {
        let _ = writeln!(text, "next: {}", next(results, stage, open));
    }
    text
}

struct Duration(u64);

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{} s", self.0 / 1000, self.0 % 1000 / 100)
    }
}

fn host_tests(text: &mut String, tests: &HostTests, style: Style) {
    let word = style.status(tests.status, if tests.status == Status::Pass { "ok  " } else { "FAIL" });
    let failed = if tests.failed.is_empty() { String::new() } else { format!(", {} failed", tests.failed.len()) };
    let _ = writeln!(text, "{word} host tests: {} passed{failed}", tests.passed);
    for test in &tests.failed {
        let _ = writeln!(text, "     {}", test.name);
        for line in test.message.lines() {
            let _ = writeln!(text, "       {line}");
        }
    }
}

fn exercise_block(text: &mut String, exercise: &ExerciseResult, stage: &Stage, root: &Path, style: Style) {
    let points =
        if exercise.reference { "the reference".to_owned() } else { format!("{}/{}", exercise.points, exercise.max) };
    let heading = format!("{} {} ({points})", exercise.id, exercise.title);
    let _ = writeln!(text, "{}", style.strong(&heading));
    if exercise.isolated {
        let log = exercise.log.as_ref().map(|log| format!(" (console: {})", log.display())).unwrap_or_default();
        let _ = writeln!(text, "     as it does with the references of the other exercises, which is better{log}");
    }
    if exercise.checks.iter().all(|check| check.status == exercise.status) && exercise.status != Status::Pass {
        // One reason for all of them: said once.
        if let Some(message) = &exercise.message {
            let _ = writeln!(text, "{} {message}", word(exercise.status, style));
        }
        for check in exercise.checks.iter().filter(|check| !check.wrong.is_empty() || check.message.is_some()) {
            check_block(text, check, style);
        }
    } else {
        for check in &exercise.checks {
            check_block(text, check, style);
        }
    }
    if !matches!(exercise.status, Status::Pass | Status::Blocked | Status::Infra) {
        let _ = writeln!(text, "     file      {}", style.link(root, &exercise.file, exercise.line));
        if let Some(known) = stage.lab.exercises.iter().find(|known| known.id == exercise.id) {
            let _ = writeln!(text, "     book      {}", known.book);
        }
    }
}

fn word(status: Status, style: Style) -> String {
    let plain = match status {
        Status::Pass => "ok  ",
        Status::NotAttempted => "todo",
        Status::Blocked | Status::Infra => "--  ",
        _ => "FAIL",
    };
    style.status(status, plain)
}

fn check_block(text: &mut String, check: &CheckResult, style: Style) {
    let reason = match check.status {
        Status::Pass | Status::Fail => String::new(),
        status => format!(" [{}]", status.word()),
    };
    let _ = writeln!(text, "{} {:<14} {}{reason}", word(check.status, style), check.id, check.title);
    for wrong in check.wrong.iter().take(SHOWN) {
        let _ = writeln!(text, "     {}", wrong.what);
        let _ = writeln!(text, "       expected  {}", wrong.expected);
        let _ = writeln!(text, "       got       {}", wrong.got);
    }
    if check.wrong.len() > SHOWN {
        let _ = writeln!(text, "     and {} more", check.wrong.len() - SHOWN);
    }
    for line in check.message.iter().flat_map(|message| message.lines()) {
        let _ = writeln!(text, "     {line}");
    }
    if matches!(check.status, Status::Fail | Status::Crash | Status::Timeout) {
        for line in &check.console {
            let _ = writeln!(text, "     {}", style.faint(&format!("console   | {line}")));
        }
    }
}

fn next(results: &Results, stage: &Stage, open: Option<Next>) -> String {
    let selector = format!("stage{}", stage.number);
    let solution = if results.mode == "solution" { " --solution" } else { "" };
    let failed = results.host_tests.as_ref().filter(|tests| tests.status != Status::Pass);
    let mend = |tests: &HostTests| {
        let mut owners = tests.failed.iter().filter_map(|failed| stage.exercise(failed.exercise.as_deref()?).ok());
        match owners.next() {
            Some(exercise) => {
                let file = stage.exercise_path(exercise);
                format!("edit {}, then `cargo harness check {}{solution}`", file.display(), exercise.id)
            }
            None => format!("mend the failed host test, then `cargo harness check {selector}{solution}`"),
        }
    };
    match (results.first_wrong(), failed) {
        (wrong, Some(tests)) if wrong.is_none() || results.log.is_none() => return mend(tests),
        _ => {}
    }
    match results.first_wrong() {
        None if results.integration.as_ref().is_some_and(|whole| whole.status == Status::Blocked) => {
            "`cargo harness next` says which exercise of the stages below comes first".to_owned()
        }
        None if results.integration.as_ref().is_some_and(|whole| whole.status != Status::Pass) => {
            format!("compare the console with the expected one, then `cargo harness run {selector}{solution}`")
        }
        None if results.mode == "solution" => {
            format!("the set-up works; read labs/{}/lab.md, then `cargo harness check {selector}`", stage.package)
        }
        None if let Some(left) = results.exercises.iter().find(|exercise| exercise.reference) => {
            let exercise = stage.exercise(&left.id).ok();
            let file = exercise.map(|exercise| stage.exercise_path(exercise)).unwrap_or_default();
            format!("edit {}, then `cargo harness check {}`", file.display(), left.id)
        }
        None if results.integration.is_none() => match open {
            Some(open) => open.to_string(),
            None => format!("`cargo harness check {selector}` checks the whole stage"),
        },
        None => format!("stage {} is done; `cargo harness run {selector}` shows it alive", stage.number),
        Some((_, check)) if check.status == Status::Infra => "`cargo harness doctor` looks at the machine".to_owned(),
        Some((exercise, _)) if exercise.status == Status::Rule => {
            format!("remove what the rule forbids from {}", exercise.file.display())
        }
        Some((exercise, _)) => {
            format!("edit {}, then `cargo harness check {}`", exercise.file.display(), exercise.id)
        }
    }
}
