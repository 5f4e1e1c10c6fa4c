//! The demo `app=smp`: twice as many threads as vCPUs, all of them busy, and what each vCPU had to do.

use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::cpu_set::CpuSet;
use crate::sync::{Barrier, Completion};
use crate::thread::{self, Builder, JoinHandle};
use crate::time::{after, now};
use crate::{events, smp};

/// Measures for `ms=` milliseconds.
pub(super) fn smp(command_line: CommandLine<'_>) {
    let span = Duration::from_millis(super::number(command_line, "ms", 1000));
    let cpus = smp::online().iter().count() as u32;
    let before: Vec<_> = smp::loads().collect();
    let stop = Arc::new(Completion::new());
    let together = Arc::new(Barrier::new(2 * cpus + 1));
    let mut workers: Vec<JoinHandle<u64>> = Vec::new();
    for _ in 0..2 * cpus {
        let (stop, together) = (stop.clone(), together.clone());
        let work = move || {
            together.wait();
            let mut turns = 0_u64;
            while !stop.is_complete() {
                turns += 1;
                core::hint::spin_loop();
            }
            turns
        };
        match Builder::new().name("busy").spawn(work) {
            Ok(worker) => workers.push(worker),
            Err(error) => return println!("no thread: {error}"),
        }
    }
    together.wait();
    let start = now();
    // Whoever measures must have a turn among all that are busy.
    thread::current().set_priority(15);
    thread::sleep_until(after(span));
    stop.complete();
    let turns: Vec<u64> = workers.into_iter().map(JoinHandle::join).collect();
    let took = now().since(start);
    let (least, most) = (turns.iter().min(), turns.iter().max());
    println!("{} threads on {cpus} vCPUs for {} ms", turns.len(), took.as_millis());
    println!("turns: least {}, most {}", least.unwrap_or(&0), most.unwrap_or(&0));
    for (before, after) in before.iter().zip(smp::loads()) {
        let busy = after.busy.saturating_sub(before.busy);
        let percent = busy.as_micros() * 100 / took.as_micros().max(1);
        println!("cpu {}: {percent} % busy, {} switches", after.cpu, after.switches - before.switches);
    }
    pinned();
    wake_up();
}

/// Where threads are that may be on one vCPU only, while there are several for each.
fn pinned() {
    const LOOKS: usize = 200;
    let all = || smp::online().iter().chain(smp::online().iter());
    let threads = all().filter_map(|cpu| {
        let look = move || {
            let mut seen = CpuSet::NONE;
            for _ in 0..LOOKS {
                seen = seen.with(smp::current());
                thread::yield_now();
            }
            (cpu, seen)
        };
        Builder::new().name("pinned").affinity(CpuSet::one(cpu)).spawn(look).ok()
    });
    let threads: Vec<JoinHandle<(u32, CpuSet)>> = threads.collect();
    for (cpu, seen) in threads.into_iter().map(JoinHandle::join) {
        println!("pinned to cpu {cpu}: seen on {:?}", seen.iter().collect::<Vec<_>>());
    }
}

/// How long it takes from waking a thread on another vCPU until it runs.
fn wake_up() {
    const ROUNDS: usize = 20;
    let Some(other) = smp::online().iter().find(|cpu| *cpu != smp::current()) else { return };
    let round = Arc::new((crate::sync::Semaphore::new(0), crate::sync::Semaphore::new(0)));
    let theirs = round.clone();
    let set = CpuSet::one(other);
    let sleeper = Builder::new().name("sleeper").affinity(set).priority(15).spawn(move || {
        for _ in 0..ROUNDS {
            theirs.0.acquire();
            let _ = theirs.1.release();
        }
    });
    let Ok(sleeper) = sleeper else { return };
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        thread::sleep(Duration::from_millis(2));
        let start = events::clock::now();
        let _ = round.0.release();
        round.1.acquire();
        best = best.min(events::clock::now().since(start));
    }
    sleeper.join();
    println!("there and back by interrupt: {} us at best of {ROUNDS}", best.as_micros());
}
