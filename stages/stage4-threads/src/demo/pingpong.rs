//! The demo `app=pingpong`: two threads on one vCPU that hand each other the turn.

use alloc::sync::Arc;
use console::boot_info::CommandLine;
use console::println;

use crate::cpu_set::CpuSet;
use crate::sync::Semaphore;
use crate::thread::{self, Builder};
use crate::time::now;

/// Hands the turn over and back `count=` times, by a semaphore each way; then by yielding.
pub(super) fn pingpong(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 10_000).max(1);
    thread::current().set_affinity(CpuSet::one(0));
    let turns = Arc::new((Semaphore::new(0), Semaphore::new(0)));
    let theirs = turns.clone();
    let here = Builder::new().name("pong").affinity(CpuSet::one(0));
    let pong = here.spawn(move || {
        for _ in 0..count {
            theirs.0.acquire();
            let _ = theirs.1.release();
        }
    });
    let pong = match pong {
        Ok(pong) => pong,
        Err(error) => return println!("no thread: {error}"),
    };
    let start = now();
    for _ in 0..count {
        let _ = turns.0.release();
        turns.1.acquire();
    }
    let took = now().since(start);
    pong.join();
    println!("{count} times there and back: {} ns each", took.as_nanos() / u128::from(count));

    let other = here.spawn(move || (0..count).for_each(|_| thread::yield_now()));
    let Ok(other) = other else { return };
    let start = now();
    (0..count).for_each(|_| thread::yield_now());
    let took = now().since(start);
    other.join();
    println!("{count} yields each: {} ns a switch", took.as_nanos() / u128::from(2 * count));
}
