//! `harness` without a command: where you stand, and what to type next.

use crate::app::App;
use crate::check::rules;
use crate::course::Stage;
use crate::error::{Context, Result};
use crate::{host, prerequisites};

/// Prints it.
pub fn command(app: &App) -> Result<u8> {
    println!("{}", app.style.strong(&app.course.title));
    let ready = prerequisites::find("qemu-system-x86_64").is_some() && !host::describe(&app.cache)?.is_empty();
    println!("test host: {}", if ready { "ready" } else { "not built yet" });
    let mut next = None;
    for stage in &app.course.stages {
        println!("stage {}: {} ({} points)", stage.number, stage.title, stage.points());
        for exercise in &stage.lab.exercises {
            let begun = begun(app, stage, &exercise.file)?;
            let word = if begun { "begun      " } else { "not begun  " };
            println!("  {} {word} {} (about {} minutes)", exercise.id, exercise.title, exercise.minutes);
            if !begun && next.is_none() {
                let file = stage.exercise_path(exercise);
                next = Some(format!("edit {}, then `cargo harness check {}`", file.display(), exercise.id));
            }
        }
    }
    let next = match next {
        _ if !ready => {
            "`cargo harness check stage1 --solution` builds the test host and shows that it works".to_owned()
        }
        Some(next) => next,
        None => "`cargo harness check stage1` checks your work".to_owned(),
    };
    println!("next: {next}");
    println!("`cargo harness --help` lists the commands");
    Ok(0)
}

fn begun(app: &App, stage: &Stage, file: &str) -> Result<bool> {
    let path = app.course.root.join("stages").join(&stage.package).join("src").join(file);
    let source = std::fs::read_to_string(&path).on("read", &path)?;
    Ok(rules::todo_line(&source).is_none())
}
