//! Soaks that a guest does by itself: it is told the count, and says at the end how many it has seen.

use super::Ground;
use crate::domain::Domain;
use crate::error::Result;
use crate::machine::CreateOptions;

/// Boots a guest, which may take so many seconds on an ordinary machine. The guest powers off, and there is a line that begins with
/// each of those that are `expected`. Returns the first of them.
fn run(ground: &Ground, options: &CreateOptions, expected: &[&str], seconds: f64) -> Result<String> {
    let mut domain = Domain::create(ground.machine, options)?;
    domain.power_off(ground.machine.within(60.0 + seconds))?;
    let text = domain.text();
    let mut first = None;
    for expected in expected {
        match text.lines().find(|line| line.starts_with(expected)) {
            Some(line) => first = first.or_else(|| Some(line.to_owned())),
            None => return Err(domain.failed(&format!("did not say `{expected}`"))),
        }
    }
    Ok(first.unwrap_or_default())
}

/// Has the guest make and join so many threads. Afterwards it has as much memory as before.
pub fn threads(ground: &mut Ground, count: u64) -> Result<String> {
    // As many vCPUs as the test host has processors: more would wait for one another. Each thread takes up to 5 ms
    // on a busy machine.
    let options = CreateOptions { vcpus: 2, ..ground.guest(&format!("app=spawn count={count}")) };
    run(ground, &options, &["lost: 0 bytes"], count as f64 / 200.0)
}

/// Has the guest send itself so many events, one at a time.
pub fn events(ground: &mut Ground, count: u64) -> Result<String> {
    // Xen under TCG takes up to 20 us for each.
    let seconds = count as f64 / 20e3;
    let options = ground.guest(&format!("app=loopback count={count}"));
    run(ground, &options, &[&format!("{count} events sent, {count} came")], seconds)
}

/// Has threads on all vCPUs look at the clock for so many milliseconds.
pub fn clock(ground: &mut Ground, count: u64) -> Result<String> {
    let options = ground.guest(&format!("app=clock ms={count}"));
    run(ground, &options, &["backward: 0 of "], count as f64 / 1e3)
}

/// Has threads on all vCPUs take blocks of memory, hand them on, and give them back, in so many steps altogether.
pub fn heap(ground: &mut Ground, count: u64) -> Result<String> {
    let vcpus = u64::from(ground.shape.vcpus);
    let steps = count.div_ceil(vcpus);
    let options = ground.guest(&format!("app=traffic count={steps} seed={count}"));
    let begin = format!("{} steps on {vcpus} vCPUs", steps * vcpus);
    let expected = [&begin, "0 blocks wrong, 0 refused", "in use before and after: 0 bytes more"];
    // A step takes a few microseconds, and up to a hundred where vCPUs wait for one another.
    run(ground, &options, &expected, count as f64 / 1e4)
}
