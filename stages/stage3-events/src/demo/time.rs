//! `app=time`: the time of day, and a clock that is read again and again.

use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;

use crate::clock;

/// Reads the clock for `seconds=`, and prints how often it went backward: never.
pub(super) fn time(command_line: CommandLine<'_>) {
    let seconds = super::number(command_line, "seconds", 1);
    let wall = clock::wall();
    println!("wall: {}.{:03} s since 1970", wall.as_secs(), wall.subsec_millis());
    let begun = clock::now();
    let (mut before, mut readings, mut backward) = (begun, 0_u64, 0_u64);
    while before.since(begun) < Duration::from_secs(seconds) {
        let now = clock::now();
        backward += u64::from(now < before);
        before = now;
        readings += 1;
    }
    println!("{readings} readings, {backward} backward");
    log::info!("the log says when, too");
    log::warn!("and how bad it is");
}
