//! Soaks that a guest does by itself: it is told the count, and says at the end how many it has seen.

use super::Ground;
use crate::domain::Domain;
use crate::error::Result;

/// Boots with a command line, which may take so many seconds on an ordinary machine. The guest powers off, and one of
/// its lines begins with `expected`.
pub fn run(ground: &mut Ground, command_line: &str, expected: &str, seconds: f64) -> Result<String> {
    let mut domain = Domain::create(ground.machine, &ground.guest(command_line))?;
    domain.power_off(ground.machine.within(60.0 + seconds))?;
    let text = domain.text();
    match text.lines().find(|line| line.starts_with(expected)) {
        Some(line) => Ok(line.to_owned()),
        None => Err(domain.failed(&format!("did not say `{expected}`"))),
    }
}

/// Has the guest send itself so many events, one at a time.
pub fn events(ground: &mut Ground, count: u64) -> Result<String> {
    // Xen under TCG takes up to 20 us for each.
    let seconds = count as f64 / 20e3;
    run(ground, &format!("app=loopback count={count}"), &format!("{count} events sent, {count} came"), seconds)
}
