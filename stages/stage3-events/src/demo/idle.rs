//! `app=idle`: does nothing for some seconds, and counts how often it was woken.

use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;

use crate::idle;
use crate::timer::OutOfMemory;
use crate::vcpu::Vcpu;

/// Rests until dom0 has nothing to say any more: it does when it has taken the text.
const RESTS: u32 = 40;

/// Sleeps for `seconds=`, and prints how many upcalls there were: one, its own timer's.
pub(super) fn idle(command_line: CommandLine<'_>) {
    let seconds = super::number(command_line, "seconds", 5);
    println!("idle for {seconds} s");
    let rested = (0..RESTS).any(|_| woken(Duration::from_millis(500)) == Ok(1));
    match woken(Duration::from_secs(seconds)) {
        Ok(times) if rested => println!("woken {times} times, by the end of the sleep among others"),
        Ok(_) => println!("dom0 gives no rest"),
        Err(error) => println!("no sleep: {error}"),
    }
}

/// Sleeps, and counts the upcalls meanwhile.
fn woken(span: Duration) -> Result<u64, OutOfMemory> {
    let upcalls = || Vcpu::current().map_or(0, Vcpu::upcalls);
    let before = upcalls();
    idle::sleep(span)?;
    Ok(upcalls() - before)
}
