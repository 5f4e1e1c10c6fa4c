//! The demo `app=spawn`: threads that begin and end, and whether anything is left of them.

use core::time::Duration;

use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::thread::{self, JoinHandle};
use crate::time::now;

const AT_A_TIME: u64 = 10;

/// Makes and joins `count=` threads, and compares the memory before and after.
pub(super) fn spawn(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 1000);
    // So that what is made once, and kept, is there: lists, for more threads than there will be at a time, since other
    // vCPUs may not have freed the last round's when the next begins.
    round(0, 4 * AT_A_TIME);
    super::warm_up();
    let before = used();
    let start = now();
    let mut sum = 0;
    let mut made = 0;
    while made < count {
        let more = AT_A_TIME.min(count - made);
        sum += round(made, more);
        made += more;
    }
    let took = now().since(start);
    println!("{count} threads made and joined, {} us each", took.as_micros() / u128::from(count.max(1)));
    println!("sum {sum}, expected {}", (0..count).sum::<u64>());
    thread::sleep(Duration::from_millis(200)); // another vCPU may be about to free the last ones
    println!("lost: {} bytes", used() - before);
}

fn round(first: u64, count: u64) -> u64 {
    let spawned = (first..first + count).filter_map(|number| {
        thread::spawn(move || number).inspect_err(|error| println!("thread {number}: {error}")).ok()
    });
    let threads: Vec<JoinHandle<u64>> = spawned.collect();
    threads.into_iter().map(JoinHandle::join).sum()
}

/// Bytes of memory in use: frames that are not free, without those that the heap holds but nobody uses.
fn used() -> i64 {
    let frames = memory::frames::statistics();
    let heap = memory::heap::statistics();
    let taken = (memory::translate::pages() - frames.free) * 4096;
    taken as i64 - heap.mapped as i64 + heap.used as i64
}
