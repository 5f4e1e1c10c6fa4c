//! The demos `app=slices` and `app=priorities`: threads that never wait, on one vCPU, and how much of it each gets.

use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::cpu_set::CpuSet;
use crate::sync::Completion;
use crate::thread::{self, Builder, DEFAULT_PRIORITY, JoinHandle};
use crate::time::after;
use crate::{scheduler, smp};

/// Two threads of the same priority, for `ms=` milliseconds, with slices as they are by default.
pub(super) fn slices(command_line: CommandLine<'_>) {
    println!("a slice is {} ms", scheduler::slice().as_millis());
    let before = switches();
    let times = run(command_line, &[DEFAULT_PRIORITY; 2]);
    let turns = (switches() - before).max(1);
    let all: Duration = times.iter().sum();
    println!("run times in us: {} and {}", times[0].as_micros(), times[1].as_micros());
    println!("turns: {turns}, {} us each", all.as_micros() / u128::from(turns));
}

/// Three threads of different priorities, for `ms=` milliseconds, in slices of 2 ms.
pub(super) fn priorities(command_line: CommandLine<'_>) {
    const PRIORITIES: [u8; 3] = [3, 7, 11];
    let usual = scheduler::slice();
    scheduler::set_slice(Duration::from_millis(2));
    let times = run(command_line, &PRIORITIES);
    scheduler::set_slice(usual);
    for (priority, time) in PRIORITIES.iter().zip(times) {
        println!("priority {priority}: {} us", time.as_micros());
    }
}

/// Keeps a thread of each priority busy on the first vCPU, and tells for how long each has run.
fn run(command_line: CommandLine<'_>, priorities: &[u8]) -> Vec<Duration> {
    let span = Duration::from_millis(super::number(command_line, "ms", 1000));
    let (start, stop) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    // Whoever starts and stops them must have a turn among them.
    thread::current().set_priority(15);
    let busy = priorities.iter().filter_map(|priority| {
        let (start, stop) = (start.clone(), stop.clone());
        let body = move || {
            start.wait();
            while !stop.is_complete() {
                core::hint::spin_loop();
            }
        };
        Builder::new().name("busy").affinity(CpuSet::one(0)).priority(*priority).spawn(body).ok()
    });
    let busy: Vec<JoinHandle<()>> = busy.collect();
    start.complete();
    thread::sleep_until(after(span));
    let times = busy.iter().map(|busy| busy.thread().run_time()).collect();
    stop.complete();
    busy.into_iter().for_each(JoinHandle::join);
    thread::current().set_priority(DEFAULT_PRIORITY);
    times
}

/// How often the first vCPU went from a thread to another.
fn switches() -> u64 {
    smp::loads().next().map_or(0, |load| load.switches)
}
