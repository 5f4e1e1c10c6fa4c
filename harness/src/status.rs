//! `harness` without a command: where you stand, and what to type next.

use crate::app::App;
use crate::error::Result;
use crate::list::{reached, table};
use crate::progress::Summary;
use crate::{host, prerequisites};

/// Prints it.
pub fn command(app: &App) -> Result<u8> {
    println!("{}", app.style.strong(&app.course.title));
    let ready = prerequisites::find("qemu-system-x86_64").is_some() && !host::describe(&app.cache)?.is_empty();
    println!("test host: {}", if ready { "ready" } else { "not built yet" });
    let summary = Summary::read(app)?;
    print!("{}", table(&summary, app.style));
    println!("{}", reached(&summary, app.style));
    if ready {
        println!("next: {}", summary.next());
    } else {
        println!("next: `cargo harness check stage1 --solution` builds the test host and shows that it works");
    }
    println!("`cargo harness --help` lists the commands");
    Ok(0)
}
