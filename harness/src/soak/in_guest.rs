//! Soaks that a guest does by itself: it is told the count, and says at the end how many it has seen.

use super::Ground;
use crate::domain::Domain;
use crate::error::Result;
use crate::machine::CreateOptions;

/// Boots a guest, which may take so many seconds on an ordinary machine. The guest powers off, and one of
/// its lines begins with `expected`.
fn run(ground: &Ground, options: &CreateOptions, expected: &str, seconds: f64) -> Result<String> {
    let mut domain = Domain::create(ground.machine, options)?;
    domain.power_off(ground.machine.within(60.0 + seconds))?;
    let text = domain.text();
    match text.lines().find(|line| line.starts_with(expected)) {
        Some(line) => Ok(line.to_owned()),
        None => Err(domain.failed(&format!("did not say `{expected}`"))),
    }
}

/// Has the guest make and join so many threads. Afterwards it has as much memory as before.
pub fn threads(ground: &mut Ground, count: u64) -> Result<String> {
    // As many vCPUs as the test host has processors: more would wait for one another. Each thread takes up to 5 ms
    // on a busy machine.
    let options = CreateOptions { vcpus: 2, ..ground.guest(&format!("app=spawn count={count}")) };
    run(ground, &options, "lost: 0 bytes", count as f64 / 200.0)
}

/// Has the guest send itself so many events, one at a time.
pub fn events(ground: &mut Ground, count: u64) -> Result<String> {
    // Xen under TCG takes up to 20 us for each.
    let seconds = count as f64 / 20e3;
    let options = ground.guest(&format!("app=loopback count={count}"));
    run(ground, &options, &format!("{count} events sent, {count} came"), seconds)
}
