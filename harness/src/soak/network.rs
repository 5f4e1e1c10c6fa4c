//! A guest on dom0's bridge, and dom0 that doesn't leave it alone.

use super::Ground;
use crate::bench::tool;
use crate::domain::Domain;
use crate::error::{Error, Kind, Result};
use crate::machine::{GUEST_ADDRESS, Machine, outcome};
use std::time::Duration;

/// What a guest says that can be pinged.
const SERVING: &[u8] = b"end on port 9\r\n";

/// Has dom0 ping a guest so often, many at a time. Each comes back, once and as it was, and the guest, too, has counted no frame less.
pub fn pings(ground: &mut Ground, count: u64) -> Result<String> {
    let machine = ground.machine;
    tool::put(machine, &tool::build(ground.app)?)?;
    let options = ground.guest(&format!("app=netecho ip={GUEST_ADDRESS}/24"));
    let mut domain = Domain::create(machine, &options)?;
    domain.listen(machine.within(60.0), |domain| domain.has_said(SERVING))?;
    // A slow machine takes up to a millisecond for each.
    let limit = machine.within(60.0 + count as f64 / 1e3).left();
    let flood = in_dom0(machine, &[tool::PLACE, "flood", GUEST_ADDRESS, &count.to_string()], limit);
    let came = flood.map_err(|why| domain.failed(&format!("was pinged, and {why}")))?;
    // Port 9 is where it is asked to end.
    in_dom0(machine, &["sh", "-c", &format!("nc {GUEST_ADDRESS} 9 < /dev/null")], limit).map_err(Error::fault)?;
    domain.power_off(machine.within(60.0))?;
    let text = domain.text();
    let counts = text.lines().find(|line| line.starts_with("vif 0: received "));
    let counts = counts.ok_or_else(|| domain.failed("did not say how many frames it received"))?;
    let [received, dropped, damaged, sent] =
        ["received ", "dropped ", "damaged ", "sent "].map(|word| number(counts, word));
    if received < count || sent < count || dropped + damaged > 0 {
        return Err(Error::new(Kind::Guest, format!("{came}, and yet the guest says: {counts}")));
    }
    Ok(format!("{came}; {counts}"))
}

/// The number behind a word.
fn number(text: &str, word: &str) -> u64 {
    let behind = text.split_once(word).map_or("", |(_, behind)| behind);
    let digits = behind.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(behind.len());
    behind[..digits].parse().unwrap_or(0)
}

/// What a command in dom0 says, or why it failed.
fn in_dom0(machine: &Machine, command: &[&str], limit: Duration) -> std::result::Result<String, String> {
    outcome(&machine.agent().exec_within(command, &[], limit).map_err(|error| error.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_behind_their_words() {
        let line = "vif 0: received 10003 frames, 980294 bytes, dropped 2, damaged 0; sent 10002 frames";
        let found = ["received ", "dropped ", "damaged ", "sent ", "none "].map(|word| number(line, word));
        assert_eq!(found, [10003, 2, 0, 10002, 0]);
    }
}
