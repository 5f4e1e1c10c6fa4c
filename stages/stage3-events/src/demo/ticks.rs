//! `app=ticks`: sleeps of 1, 10 and 100 ms, and how late each ended.

use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;

use crate::{clock, idle};

/// Sleeps `count=` times for each span, and prints how late the wake-ups were: never early, and seldom by much.
pub(super) fn ticks(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 10);
    for milliseconds in [1, 10, 100] {
        let span = Duration::from_millis(milliseconds);
        let (mut early, mut least, mut most, mut sum) = (0, Duration::MAX, Duration::ZERO, Duration::ZERO);
        for _ in 0..count {
            let before = clock::now();
            if let Err(error) = idle::sleep(span) {
                return println!("no sleep: {error}");
            }
            let slept = clock::now().since(before);
            early += u64::from(slept < span);
            let late = slept.saturating_sub(span);
            least = least.min(late);
            most = most.max(late);
            sum += late;
        }
        let [least, most] = [least, most].map(|late| late.as_micros());
        let average = sum.as_micros() as u64 / count.max(1);
        println!(
            "{count} sleeps of {milliseconds} ms: {early} early; late by {least} to {most} us, {average} on average"
        );
    }
}
