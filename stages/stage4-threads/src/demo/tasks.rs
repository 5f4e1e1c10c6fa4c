//! The demo `app=tasks`: many tasks that sleep, and what that costs.

use core::time::Duration;

use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::executor::{self, Either};
use crate::time::now;
use crate::{smp, thread};

/// Starts `count=` tasks that sleep for a second, looks at the vCPUs meanwhile, and passes values through a channel.
pub(super) fn tasks(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 1000);
    let start = now();
    let mut sleeping = Vec::new();
    for number in 0..count {
        let task = async move {
            executor::sleep(Duration::from_millis(1000)).await;
            number
        };
        match executor::spawn(task) {
            Ok(task) => sleeping.push(task),
            Err(error) => return println!("task {number}: {error}"),
        }
    }
    println!("{count} tasks started in {} ms", now().since(start).as_millis());
    thread::sleep(Duration::from_millis(200));
    let busy = || smp::loads().map(|load| load.busy).sum::<Duration>();
    let (before, from) = (busy(), now());
    thread::sleep(Duration::from_millis(400));
    let used = busy().saturating_sub(before);
    println!("asleep: {} us of processor in {} ms", used.as_micros(), now().since(from).as_millis());
    let sum: u64 = sleeping.into_iter().map(executor::TaskHandle::join).sum();
    println!("all awake after {} ms, sum {sum}", now().since(start).as_millis());
    channel();
}

fn channel() {
    let Ok((sender, mut receiver)) = executor::channel(4) else { return println!("no channel") };
    let other = sender.clone();
    let sending = executor::spawn(async move {
        for number in 0..100_u64 {
            let _ = sender.send(number).await;
        }
    });
    let more = thread::spawn(move || {
        for number in 100..200_u64 {
            let _ = executor::block_on(other.send(number));
        }
    });
    let (Ok(sending), Ok(more)) = (sending, more) else { return println!("no sender") };
    let sum = executor::block_on(async {
        let mut sum = 0;
        while let Some(number) = receiver.receive().await {
            sum += number;
        }
        sum
    });
    sending.join();
    more.join();
    println!("through the channel: {sum}");
    let first = executor::block_on(executor::select(
        executor::sleep(Duration::from_secs(3600)),
        executor::sleep(Duration::from_millis(10)),
    ));
    println!("first of two: {}", if matches!(first, Either::Second(())) { "the shorter" } else { "the longer" });
}
