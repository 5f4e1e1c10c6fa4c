//! `harness next`: the one next thing to do, with what is needed to begin it.

use crate::app::App;
use crate::error::Result;
use crate::progress::{Next, State, Summary};

/// Prints it.
pub fn command(app: &App) -> Result<u8> {
    let next = Summary::read(app)?.next();
    if let Next::Exercise(stage, exercise, state) = next {
        println!("{} {} [{}]", app.style.strong(&exercise.id), app.style.strong(&exercise.title), state.word());
        println!("  file       {}", app.style.link(&app.course.root, &stage.exercise_path(exercise), None));
        println!("  to write   {}", exercise.functions.join(", "));
        println!("  text       labs/{}/lab.md", stage.package);
        println!("  book       {}", exercise.book);
        println!("  worth      {} points, about {} minutes", exercise.points(), exercise.minutes);
        if !matches!(state, State::Passed | State::Stale) {
            println!("  stuck?     `cargo harness hint {0}`, `cargo harness explain {0}`", exercise.id);
        }
    }
    println!("next: {next}");
    Ok(0)
}
