//! `lab.md`: the text of a lab has the same parts in the same order in every stage.

use crate::book::Finding;
use crate::course::Stage;
use std::path::Path;

/// A heading with what stands under it.
struct Section<'t> {
    line: usize,
    heading: &'t str,
    body: String,
}

pub fn findings(stage: &Stage, file: &Path, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |line: usize, what: String| found.push(Finding::new(format!("{}:{line}", file.display()), what));
    let title = format!("# Lab {}: {}", stage.number, stage.title);
    if text.lines().next() != Some(&title) {
        say(1, format!("the title is not `{title}`"));
    }
    let sections = sections(text);
    for section in &sections {
        let exercise =
            stage.lab.exercises.iter().find(|exercise| section.heading == task(&exercise.id, &exercise.title));
        let names = exercise.iter().flat_map(|exercise| exercise.functions.iter().chain([&exercise.file]));
        let named = |name: &&String| ["`", "(", "<"].iter().any(|end| section.body.contains(&format!("`{name}{end}")));
        for name in names.filter(|name| !named(name)) {
            say(section.line, format!("the task doesn't name `{name}`"));
        }
        let answers = section.body.matches("<details>").count();
        if section.heading == "## Think" && !(2..=3).contains(&answers) {
            say(section.line, format!("2 or 3 questions with folded answers are expected, and there are {answers}"));
        }
    }
    let mut there = sections.iter();
    for wanted in form(stage) {
        match there.next() {
            Some(section) if section.heading == wanted => {}
            Some(section) => {
                say(section.line, format!("here `{wanted}` is expected, and there is `{}`", section.heading));
                // What follows would be out of step.
                return found;
            }
            None => {
                found.push(Finding::new(file.display(), format!("`{wanted}` is missing at the end")));
                return found;
            }
        }
    }
    if let Some(surplus) = there.next() {
        say(surplus.line, format!("nothing is expected behind `## Challenge`, and there is `{}`", surplus.heading));
    }
    found
}

fn task(id: &str, title: &str) -> String {
    format!("## {id}: {title}")
}

fn form(stage: &Stage) -> Vec<String> {
    let fixed = |names: &[&str]| names.iter().map(|name| format!("## {name}")).collect::<Vec<_>>();
    let mut form = fixed(&["Goal", "Before you begin", "Predict first"]);
    form.extend(stage.lab.exercises.iter().map(|exercise| task(&exercise.id, &exercise.title)));
    form.extend(fixed(&["What the checks do", "Run it", "Think", "Challenge"]));
    form
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section> = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if line.starts_with("## ") && !fenced {
            sections.push(Section { line: index + 1, heading: line.trim_end(), body: String::new() });
        } else if let Some(section) = sections.last_mut() {
            section.body += line;
            section.body.push('\n');
        }
    }
    sections
}
