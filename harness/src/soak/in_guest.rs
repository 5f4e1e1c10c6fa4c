//! Soaks that a guest does by itself: it is told the count, and says at the end how many it has seen done.
//!
//! A demo of the stage takes `count=` and ends with the line `soak <count>`.

use super::Ground;
use crate::domain::Domain;
use crate::error::Result;

/// Boots the demo `app`, which may take so many seconds on an ordinary machine.
pub fn run(ground: &mut Ground, app: &str, count: u64, seconds: f64) -> Result<String> {
    let mut domain = Domain::create(ground.machine, &ground.guest(&format!("app={app} count={count}")))?;
    domain.power_off(ground.machine.within(60.0 + seconds))?;
    match domain.text().lines().find_map(|line| line.strip_prefix("soak ")) {
        Some(seen) if seen == count.to_string() => Ok(format!("the guest saw all {count}")),
        Some(seen) => Err(domain.failed(&format!("saw {seen} of {count}"))),
        None => Err(domain.failed("did not say how many it has done")),
    }
}
