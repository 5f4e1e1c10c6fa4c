//! Results as the XML of JUnit, which every CI server reads: a suite an exercise, a case a check.

use super::output::reasons;
use super::results::{CheckResult, ExerciseResult, HostTests, Results, Status};
use std::fmt::{Display, Write};

/// The whole document.
pub fn document(results: &Results) -> String {
    let mut suites: Vec<Suite> = results.host_tests.iter().map(|tests| host_tests(results, tests)).collect();
    suites.extend(results.exercises.iter().map(|exercise| suite(results, exercise)));
    suites.extend(results.integration.iter().map(|whole| {
        let mut suite = Suite::new("the stage as a whole");
        suite.case(&results.stage, whole, None);
        suite
    }));
    let [tests, failures, errors, skipped] =
        suites.iter().fold([0; 4], |sum, suite| std::array::from_fn(|index| sum[index] + suite.counts[index]));
    let cases: String = suites.iter().map(Suite::to_string).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\" skipped=\"{skipped}\" time=\"{}\">\n{cases}</testsuites>\n",
        escaped(&results.stage),
        seconds(results.ms)
    )
}

fn suite(results: &Results, exercise: &ExerciseResult) -> Suite {
    let mut suite = Suite::new(&format!("{} {}", exercise.id, exercise.title));
    for check in &exercise.checks {
        suite.case(&format!("{}.{}", results.stage, exercise.id), check, Some(exercise));
    }
    suite
}

/// One case for all of them: of those that passed only the number is known.
fn host_tests(results: &Results, tests: &HostTests) -> Suite {
    let failed = tests.failed.iter().map(|test| format!("{}\n{}", test.name, test.message));
    let check = CheckResult {
        visibility: crate::course::Visibility::Visible,
        id: "host tests".to_owned(),
        title: String::new(),
        status: tests.status,
        points: 0,
        max: 0,
        wrong: Vec::new(),
        message: Some(failed.collect::<Vec<_>>().join("\n\n")).filter(|text| !text.is_empty()),
        console: Vec::new(),
        ms: 0,
    };
    let mut suite = Suite::new("host tests");
    suite.case(&results.stage, &check, None);
    suite
}

/// A suite under way: its cases, and how many there are, failed, in error, and skipped.
struct Suite {
    name: String,
    cases: String,
    counts: [u32; 4],
    ms: u64,
}

impl Suite {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), cases: String::new(), counts: [0; 4], ms: 0 }
    }

    fn case(&mut self, class: &str, check: &CheckResult, exercise: Option<&ExerciseResult>) {
        let name = escaped(format!("{} {}", check.id, check.title).trim_end());
        let mut place = String::new();
        if let Some(exercise) = exercise {
            // Writing to a string cannot fail.
            let _ = write!(place, " file=\"{}\"", escaped(&exercise.file.display().to_string()));
            if let Some(line) = exercise.line {
                let _ = write!(place, " line=\"{line}\"");
            }
        }
        let class = escaped(class);
        let time = seconds(check.ms);
        let _ = write!(self.cases, "    <testcase classname=\"{class}\" name=\"{name}\"{place} time=\"{time}\"");
        let outcome = self.outcome(check, exercise);
        let _ = writeln!(self.cases, "{outcome}");
        self.ms += check.ms;
    }

    /// What is inside a case, and its end.
    fn outcome(&mut self, check: &CheckResult, exercise: Option<&ExerciseResult>) -> String {
        let (index, element) = match check.status {
            Status::Pass => {
                self.counts[0] += 1;
                return "/>".to_owned();
            }
            Status::NotAttempted | Status::Blocked => (3, "skipped"),
            Status::Build | Status::Infra => (2, "error"),
            Status::Fail | Status::Crash | Status::Timeout | Status::Rule => (1, "failure"),
        };
        self.counts[0] += 1;
        self.counts[index] += 1;
        let word = check.status.word();
        if element == "skipped" {
            return format!("><skipped message=\"{word}\"/></testcase>");
        }
        let text = escaped(&reasons(check, exercise));
        let first = text.lines().next().unwrap_or_default();
        format!("><{element} type=\"{word}\" message=\"{first}\">{text}</{element}></testcase>")
    }
}

impl Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [tests, failures, errors, skipped] = self.counts;
        let (name, time) = (escaped(&self.name), seconds(self.ms));
        writeln!(
            f,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
             skipped=\"{skipped}\" time=\"{time}\">\n{}  </testsuite>",
            self.cases
        )
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Text as XML takes it, also between quotes; what XML cannot hold at all becomes a sign that says so.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escaped("a<b> & \"c\"\r\u{0}\u{1b}\n"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn every_status_has_its_place() {
        assert_text!("report-junit", document(&super::super::results::tests::sample()));
    }
}
