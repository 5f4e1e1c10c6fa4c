//! `harness` without a command: where you stand, and what to type next.

use crate::app::App;
use crate::error::Result;
use crate::list::{reached, table};
use crate::progress::Summary;
use crate::ui::say;
use crate::work::has_references;
use crate::{host, prerequisites};

/// Prints it.
pub fn command(app: &App) -> Result<u8> {
    say(format_args!("{}\n", app.style.strong(&app.course.title)))?;
    let ready = prerequisites::find("qemu-system-x86_64").is_some() && host::is_built(&app.cache, &app.host_options());
    say(format_args!("test host: {}\n", if ready { "ready" } else { "not built yet" }))?;
    let summary = Summary::read(app)?;
    say(table(&summary, app.style))?;
    say(format_args!("{}\n", reached(&summary, app.style)))?;
    if ready {
        say(format_args!("next: {}\n", summary.next()))?;
    } else if app.course.stages.first().is_some_and(|first| has_references(&app.course, first)) {
        say("next: `cargo harness check stage1 --solution` builds the test host and shows that it works\n")?;
    } else {
        say("next: `cargo harness check stage1` builds the test host, and says that nothing is attempted yet\n")?;
    }
    say("`cargo harness --help` lists the commands\n")?;
    Ok(0)
}
