//! The demo `app=online`: the last vCPU is switched off and on again, under load.

use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::cpu_set::CpuSet;
use crate::sync::Completion;
use crate::thread::{self, Builder};
use crate::{executor, smp};

/// Switches off, looks, and switches on.
pub(super) fn online(_: CommandLine<'_>) {
    let last = smp::online().iter().last().unwrap_or(0);
    let stop = Arc::new(Completion::new());
    let theirs = stop.clone();
    let body = move || {
        while !theirs.is_complete() {
            core::hint::spin_loop();
        }
        smp::current()
    };
    let busy = Builder::new().name("busy").affinity(CpuSet::one(last)).spawn(body);
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
    if let Ok(busy) = busy {
        println!("the busy one ended on cpu {}", busy.join());
    }
}
