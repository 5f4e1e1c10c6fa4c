//! The demo `app=online`: the last vCPU is switched off and on again, under load.

use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use super::leaving;
use crate::cpu_set::CpuSet;
use crate::sync::Completion;
use crate::thread::{self, Builder, JoinHandle};
use crate::{executor, smp};

/// Switches off, looks, and switches on; then the same again `count=` times.
pub(super) fn online(command_line: CommandLine<'_>) {
    let last = smp::online().iter().last().unwrap_or(0);
    once(last);
    println!("two busy threads there: {}", if both_run(last) { "both run" } else { "one runs" });
    leaving::run(last);
    again(last, super::number(command_line, "count", 5));
}

fn once(last: u32) {
    let stop = Arc::new(Completion::new());
    let busy = [busy(last, &stop), busy(last, &stop)];
    let asleep = Builder::new().name("asleep").affinity(CpuSet::one(last)).spawn(|| {
        thread::sleep(Duration::from_millis(300));
        smp::current()
    });
    thread::sleep(Duration::from_millis(50));
    println!("cpu 0 off: {:?}", smp::set_online(0, false));
    println!("cpu {} off: {:?}", last + 1, smp::set_online(last + 1, false));
    println!("cpu {last} off: {:?}", smp::set_online(last, false));
    println!("on: {:?}", smp::online().iter().collect::<Vec<_>>());
    executor::block_on(executor::sleep(Duration::from_millis(400)));
    match asleep {
        Ok(asleep) => println!("the sleeper woke: {}", asleep.is_finished()),
        Err(error) => println!("no sleeper: {error}"),
    }
    println!("cpu {last} on: {:?}", smp::set_online(last, true));
    println!("on: {:?}", smp::online().iter().collect::<Vec<_>>());
    thread::sleep(Duration::from_millis(100));
    stop.complete();
    for busy in busy.into_iter().flatten() {
        println!("a busy one ended on cpu {}", busy.join());
    }
}

/// A thread that never waits. It leaves the number of the vCPU that it was on in the end.
fn busy(cpu: u32, stop: &Arc<Completion>) -> Option<JoinHandle<u32>> {
    let stop = stop.clone();
    let body = move || {
        while !stop.is_complete() {
            core::hint::spin_loop();
        }
        smp::current()
    };
    Builder::new().name("busy").affinity(CpuSet::one(cpu)).spawn(body).ok()
}

/// Whether two threads that never wait share a vCPU.
fn both_run(cpu: u32) -> bool {
    const SPAN: Duration = Duration::from_millis(600);
    let stop = Arc::new(Completion::new());
    let pair: Vec<_> = [busy(cpu, &stop), busy(cpu, &stop)].into_iter().flatten().collect();
    thread::current().set_priority(15);
    thread::sleep(SPAN);
    thread::current().set_priority(thread::DEFAULT_PRIORITY);
    let least = pair.iter().map(|busy| busy.thread().run_time()).min();
    stop.complete();
    pair.into_iter().map(JoinHandle::join).for_each(|_| ());
    least.is_some_and(|least| least > SPAN / 10)
}

/// Switches off and on while threads sleep and run there, and see whether any is forgotten.
fn again(last: u32, count: u64) {
    let stop = Arc::new(Completion::new());
    let sleepers = (0..8).filter_map(|number| {
        let stop = stop.clone();
        let body = move || {
            let mut sleeps = 0_u64;
            while !stop.is_complete() {
                thread::sleep(Duration::from_micros(500 + 100 * number));
                sleeps += 1;
            }
            sleeps
        };
        Builder::new().name("restless").affinity(CpuSet::one(last)).spawn(body).ok()
    });
    let sleepers: Vec<JoinHandle<u64>> = sleepers.collect();
    let busy = busy(last, &stop);
    let mut switched = 0;
    for _ in 0..count {
        switched += u64::from(smp::set_online(last, false).is_ok() && smp::set_online(last, true).is_ok());
    }
    stop.complete();
    busy.map(JoinHandle::join);
    let least = sleepers.into_iter().map(JoinHandle::join).min().unwrap_or(0);
    println!(
        "off and on {switched} of {count} times; everybody slept {}",
        if least > 0 { "and woke" } else { "for ever" }
    );
}
