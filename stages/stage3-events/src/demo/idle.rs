//! `app=idle`: does nothing for some seconds, and counts how often it was woken.

use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;

use crate::idle;
use crate::vcpu::Vcpu;

/// Sleeps for `seconds=`, and prints how many upcalls there were: one, its own timer's.
pub(super) fn idle(command_line: CommandLine<'_>) {
    let seconds = super::number(command_line, "seconds", 5);
    println!("idle for {seconds} s");
    // dom0 says when it has taken the text, which is an event: let that pass first.
    let before = match idle::sleep(Duration::from_millis(500)) {
        Ok(()) => upcalls(),
        Err(error) => return println!("no sleep: {error}"),
    };
    match idle::sleep(Duration::from_secs(seconds)) {
        Ok(()) => println!("woken {} times, by the end of the sleep among others", upcalls() - before),
        Err(error) => println!("no sleep: {error}"),
    }
}

fn upcalls() -> u64 {
    Vcpu::current().map_or(0, Vcpu::upcalls)
}
