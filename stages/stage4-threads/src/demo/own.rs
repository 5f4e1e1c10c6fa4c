//! The demo `app=own`: threads that are interrupted all the time, each with registers and data of its own.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::events::demo::registers;
use crate::thread::{self, JoinHandle};
use crate::time::{after, now};
use crate::{set_slice, slice, smp};

/// Keeps three threads a vCPU busy for `ms=` milliseconds, in slices of one. Each has values in all vector registers, which
/// nobody saves for it but the upcall, and a word that fs leads to.
pub(super) fn own(command_line: CommandLine<'_>) {
    if !registers::there() {
        return println!("this machine has no AVX registers");
    }
    let end = after(Duration::from_millis(super::number(command_line, "ms", 1000)));
    let usual = slice();
    set_slice(Duration::from_millis(1));
    let before = switches();
    let ready = Arc::new(AtomicBool::new(false));
    let count = 3 * smp::online().iter().count();
    let mut workers: Vec<JoinHandle<(u64, u64, u64)>> = Vec::new();
    for number in 1..=count as u64 {
        let ready = ready.clone();
        let work = move || {
            let word = AtomicU64::new(number);
            // SAFETY: nothing else in the kernel uses fs, and the word outlives its use: fs is put back below.
            unsafe { thread::set_fs_base(word.as_ptr().addr() as u64) };
            while !ready.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            let (mut rounds, mut lost, mut strange) = (0, 0, 0);
            while now() < end {
                rounds += 1;
                lost += u64::from(!registers::values_survive(number << 32 | rounds));
                strange += u64::from(word_of_fs() != number);
            }
            // SAFETY: as a thread begins.
            unsafe { thread::set_fs_base(0) };
            (rounds, lost, strange)
        };
        match thread::spawn(work) {
            Ok(worker) => workers.push(worker),
            Err(error) => println!("no thread: {error}"),
        }
    }
    ready.store(true, Ordering::Relaxed);
    let threads = workers.len();
    let add = |sum: (u64, u64, u64), own: (u64, u64, u64)| (sum.0 + own.0, sum.1 + own.1, sum.2 + own.2);
    let (rounds, lost, strange) = workers.into_iter().map(JoinHandle::join).fold((0, 0, 0), add);
    set_slice(usual);
    println!("{threads} threads, {} switches, {rounds} rounds", switches() - before);
    println!("registers lost: {lost}, fs led elsewhere: {strange}");
}

/// How often vCPUs went from a thread to another.
fn switches() -> u64 {
    smp::loads().map(|load| load.switches).sum()
}

/// The word that fs leads to.
fn word_of_fs() -> u64 {
    let word: u64;
    // SAFETY: the running thread has set fs, to a word that it owns.
    unsafe { core::arch::asm!("mov {}, fs:[0]", out(reg) word, options(nostack, readonly, preserves_flags)) };
    word
}
