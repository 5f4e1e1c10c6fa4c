//! Guests that come, end, and come again.

use super::Ground;
use crate::domain::Domain;
use crate::error::{Error, Kind, Result};
use crate::machine::{Action, Machine};
use std::time::Duration;

/// Seconds from a guest's creation, or its reboot, to what is waited for.
const PATIENCE: f64 = 60.0;

/// Makes guests that greet and power off, one after the other. The test host then has as much memory as before.
pub fn create(ground: &mut Ground, count: u64) -> Result<String> {
    let before = free_memory(ground.machine)?;
    for _ in 0..count {
        let mut domain = Domain::create(ground.machine, &ground.guest("app=hello"))?;
        domain.power_off(ground.machine.within(PATIENCE))?;
        if !domain.text().contains("Hello from a guest of Xen!\nbye: poweroff\n") {
            return Err(domain.failed("did not greet"));
        }
    }
    let deadline = ground.machine.within(20.0);
    let mut after = free_memory(ground.machine)?;
    // Xen takes a domain apart when its last reference is gone, a little after its end.
    while after < before && !deadline.is_over() {
        std::thread::sleep(Duration::from_millis(100));
        after = free_memory(ground.machine)?;
    }
    if after < before {
        let text = format!("{count} guests have come and gone, and {} MiB did not come back", before - after);
        return Err(Error::new(Kind::Guest, text));
    }
    Ok("each greeted and powered off, and all their memory came back".into())
}

/// Has one guest reboot again and again.
pub fn reboot(ground: &mut Ground, count: u64) -> Result<String> {
    const ASKS: &[u8] = b"quit or reboot to end\r\n";
    let mut options = ground.guest("app=echo");
    options.on_reboot = Action::Restart;
    let mut domain = Domain::create(ground.machine, &options)?;
    for round in 0..=count {
        // Its console takes what is typed once xl has said that it is there again.
        let back = |domain: &Domain| domain.has_said(ASKS) && domain.reboots == round;
        domain.listen(ground.machine.within(PATIENCE), back)?;
        if !back(&domain) {
            return Err(domain.failed(&format!("did not come back after {round} reboots")));
        }
        domain.console.clear();
        domain.type_in(if round < count { b"reboot\r" } else { b"quit\r" })?;
    }
    domain.power_off(ground.machine.within(PATIENCE))?;
    Ok("it came back each time".into())
}

/// What Xen has for further guests, in MiB.
fn free_memory(machine: &Machine) -> Result<u64> {
    let free = machine.xen_info()?.get("free_memory").and_then(|free| free.parse().ok());
    free.ok_or_else(|| Error::fault("xl info does not tell how much memory is free"))
}
