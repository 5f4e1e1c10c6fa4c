//! `app=timers`: many timers at a time, some of them in the past, some cancelled.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use console::boot_info::CommandLine;
use console::idle;
use console::println;

use crate::clock::{self, Nanoseconds};
use crate::timer;

static FIRED: AtomicU64 = AtomicU64::new(0);
static CANCELLED: AtomicU64 = AtomicU64::new(0);
static EARLY: AtomicU64 = AtomicU64::new(0);
static UNORDERED: AtomicU64 = AtomicU64::new(0);
static LATEST: AtomicU64 = AtomicU64::new(0);

/// Sets `count=` timers, cancels every third, and waits for the others; then one that is in the past.
pub(super) fn timers(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 1000);
    let begun = clock::now();
    let mut kept = Vec::new();
    for number in 0..count {
        // Spread over 200 ms, in no order: 7919 is prime.
        let deadline = begun.after(Duration::from_micros(50_000 + number * 7919 % 200_000));
        let callback = if number % 3 == 0 { cancelled } else { fired };
        match timer::set(deadline, callback, deadline.0 as usize) {
            Ok(timer) => kept.push(timer),
            Err(error) => return println!("timer {number}: {error}"),
        }
    }
    let mut number = 0;
    kept.retain(|_| {
        number += 1;
        (number - 1) % 3 != 0
    });
    let expected = kept.len() as u64;
    idle::wait_until(|| FIRED.load(Ordering::Relaxed) >= expected);
    let [fired, cancelled, early, unordered] =
        [&FIRED, &CANCELLED, &EARLY, &UNORDERED].map(|counter| counter.load(Ordering::Relaxed));
    println!("{count} timers, {expected} not cancelled: {fired} fired, {early} early, {unordered} out of order");
    println!("{cancelled} cancelled ones fired");
    in_the_past();
}

fn fired(deadline: usize) {
    let deadline = deadline as u64;
    EARLY.fetch_add(u64::from(clock::now().0 < deadline), Ordering::Relaxed);
    let before = LATEST.swap(deadline, Ordering::Relaxed);
    UNORDERED.fetch_add(u64::from(before > deadline), Ordering::Relaxed);
    FIRED.fetch_add(1, Ordering::Relaxed);
}

fn cancelled(_: usize) {
    CANCELLED.fetch_add(1, Ordering::Relaxed);
}

fn in_the_past() {
    for (name, deadline) in [("0", Nanoseconds(0)), ("a millisecond ago", Nanoseconds(clock::now().0 - 1_000_000))] {
        let before = FIRED.load(Ordering::Relaxed);
        let begun = clock::now();
        match timer::set(deadline, fired, deadline.0 as usize) {
            Ok(_timer) => {
                idle::wait_until(|| FIRED.load(Ordering::Relaxed) > before);
                println!("a timer for {name} fired after {} us", clock::now().since(begun).as_micros());
            }
            Err(error) => println!("a timer for {name}: {error}"),
        }
    }
}
