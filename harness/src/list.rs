//! `harness list`: the stages and exercises, what they are worth and take, and how far the student is.

use crate::app::App;
use crate::check::report::Style;
use crate::error::Result;
use crate::progress::{StageStanding, Standing, State, Summary};
use crate::ui::say;
use std::fmt::Write;

/// Width of the bar in characters.
const BAR: u32 = 30;

/// Prints it.
pub fn command(app: &App) -> Result<u8> {
    let summary = Summary::read(app)?;
    say(table(&summary, app.style))?;
    say(format_args!("{}\n", reached(&summary, app.style)))?;
    say(format_args!("next: {}\n", summary.next()))?;
    Ok(0)
}

/// One line an exercise, under its stage.
pub fn table(summary: &Summary, style: Style) -> String {
    let heading = "  what    state             points    time  level  title";
    let mut text = format!("{}\n", style.faint(heading));
    for StageStanding { stage, exercises, whole } in &summary.stages {
        let draft = if stage.draft { ", draft" } else { "" };
        let heading = format!("stage {}: {} ({} points{draft})", stage.number, stage.title, stage.points());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", style.strong(&heading));
        for (exercise, standing) in exercises {
            let (title, gave_up) = (&exercise.title, if standing.entry.gave_up { ", solution shown" } else { "" });
            let effort = format!("{:>3} min  {}", exercise.minutes, difficulty(exercise.difficulty));
            let line = row(&exercise.id, standing, exercise.points(), style);
            let _ = writeln!(text, "{line}  {effort}  {title}{gave_up}");
        }
        let check = &stage.lab.integration;
        let line = row(&check.id, whole, check.points, style);
        let _ = writeln!(text, "{line}  {:14}  {}", "", check.title);
    }
    text
}

fn row(id: &str, standing: &Standing, max: u32, style: Style) -> String {
    let points = standing.points.map_or_else(|| "-".to_owned(), |points| points.to_string());
    let word = format!("{:<16}", standing.state.word());
    format!("  {id:<6}  {}  {points:>3}/{max:<3}", style.state(standing.state, &word))
}

/// 1 to 5 as stars, in five columns.
fn difficulty(level: u32) -> String {
    format!("{:<5}", "*".repeat(level.min(5) as usize))
}

/// How much of the course is done: words, and on a terminal a bar before them.
pub fn reached(summary: &Summary, style: Style) -> String {
    let [passed, exercises, points, max] = summary.totals();
    let words = format!("{passed} of {exercises} exercises, {points} of {max} points");
    if !style.decorated {
        return words;
    }
    let full = (points * BAR).checked_div(max).unwrap_or(0);
    let bar = |count: u32, sign: &str| sign.repeat(count as usize);
    format!("{}{} {words}", style.state(State::Passed, &bar(full, "━")), style.faint(&bar(BAR - full, "─")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difficulty_keeps_its_columns() {
        assert_eq!((difficulty(2).as_str(), difficulty(9).as_str()), ("**   ", "*****"));
    }
}
