//! `harness next`: the one next thing to do, with what is needed to begin it.

use crate::app::App;
use crate::error::Result;
use crate::progress::{Next, State, Summary};
use crate::ui::say;
use std::fmt::Write;

/// Prints it.
pub fn command(app: &App) -> Result<u8> {
    say(text(app, Summary::read(app)?.next()))?;
    Ok(0)
}

/// What to do, and what is needed for it.
pub fn text(app: &App, next: Next) -> String {
    let mut text = String::new();
    if let Next::Exercise(stage, exercise, state) = next {
        let heading = app.style.strong(&format!("{} {}", exercise.id, exercise.title));
        let file = app.style.link(&app.course.root, &stage.exercise_path(exercise), None);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{heading} [{}]", state.word());
        let _ = writeln!(text, "  file       {file}");
        let _ = writeln!(text, "  to write   {}", exercise.functions.join(", "));
        let _ = writeln!(text, "  text       labs/{}/lab.md", stage.package);
        let _ = writeln!(text, "  book       {}", exercise.book);
        let _ = writeln!(text, "  worth      {} points, about {} minutes", exercise.points(), exercise.minutes);
        if !matches!(state, State::Passed | State::Stale) {
            let _ = writeln!(text, "  stuck?     `cargo harness hint {0}`, `cargo harness explain {0}`", exercise.id);
        }
    }
    let _ = writeln!(text, "next: {next}");
    text
}
