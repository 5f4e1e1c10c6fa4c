//! The demo `app=threads`: threads that run, wait and sleep, and the list of them.

use core::time::Duration;

use alloc::sync::Arc;
use console::boot_info::CommandLine;
use console::println;

use crate::sync::{Completion, Mutex};
use crate::thread::{self, Builder};
use crate::time::{after, now};

/// Starts a few threads, shows all there are, and waits for them.
pub(super) fn threads(_: CommandLine<'_>) {
    let stop = Arc::new(Completion::new());
    let count = Arc::new(Mutex::new(0_u64));
    let mut workers = alloc::vec::Vec::new();
    for number in 0..3_u8 {
        let (stop, count) = (stop.clone(), count.clone());
        let name = alloc::format!("worker {number}");
        let worker = Builder::new().name(&name).priority(6 + number).spawn(move || {
            log::info!("counting");
            while !stop.is_complete() {
                *count.lock() += 1;
            }
            number
        });
        match worker {
            Ok(worker) => workers.push(worker),
            Err(error) => println!("no worker: {error}"),
        }
    }
    let waiting = stop.clone();
    let waiter = Builder::new().name("waiter").stack_size(32 * 1024).spawn(move || waiting.wait());
    let start = now();
    thread::sleep_until(after(Duration::from_millis(300)));
    println!("slept {} ms", now().since(start).as_millis());
    thread::print_list();
    stop.complete();
    for worker in workers {
        println!("worker {} ended", worker.join());
    }
    if let Ok(waiter) = waiter {
        waiter.join();
    }
    println!("counted {}", if *count.lock() > 0 { "something" } else { "nothing" });
}
