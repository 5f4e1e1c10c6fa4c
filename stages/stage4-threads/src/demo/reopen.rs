//! The demo `app=reopen`: ports that are opened, used and closed on all vCPUs at once. Xen gives the lowest number that is
//! free, so a port that one thread has just closed is the next thread's.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;
use console::types::Domid;

use crate::cpu_set::{CpuSet, MOST};
use crate::events::port::{self, PortError};
use crate::smp;
use crate::thread::{self, Builder, JoinHandle};
use crate::time::{after, now};

/// Events that are sent before a port is closed.
const EVENTS: u64 = 3;
/// How long an event may take. An interrupt of another vCPU took 0.2 s on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// The events that came to each thread's ports.
static CAME: [AtomicU64; MOST] = [const { AtomicU64::new(0) }; MOST];

/// What became of a thread's events.
#[derive(Default)]
struct Seen {
    lost: u64,
    too_many: u64,
    refused: u64,
}

/// Has a thread on each vCPU open and close `count=` pairs of ports.
pub(super) fn reopen(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 500);
    let threads = smp::online().iter().filter_map(|cpu| {
        let there = Builder::new().name("opener").affinity(CpuSet::one(cpu));
        there.spawn(move || open_and_close(cpu, count)).inspect_err(|error| println!("no thread: {error}")).ok()
    });
    let threads: Vec<JoinHandle<Seen>> = threads.collect();
    let pairs = threads.len() as u64 * count;
    let mut all = Seen::default();
    for Seen { lost, too_many, refused } in threads.into_iter().map(JoinHandle::join) {
        all = Seen { lost: all.lost + lost, too_many: all.too_many + too_many, refused: all.refused + refused };
    }
    println!("{pairs} pairs of ports, {} events", pairs * EVENTS);
    println!("lost {}, too many {}, refused {}", all.lost, all.too_many, all.refused);
}

fn open_and_close(cpu: u32, count: u64) -> Seen {
    let mut seen = Seen::default();
    for _ in 0..count {
        if use_pair(cpu, &mut seen).is_err() {
            seen.refused += 1;
        }
    }
    seen
}

/// Opens a pair, sends its events one by one, and closes it again. The event is taken by the next vCPU, so that a port is
/// closed by another one than takes its events.
fn use_pair(cpu: u32, seen: &mut Seen) -> Result<(), PortError> {
    let came = &CAME[cpu as usize];
    let theirs = port::allocate_unbound(Domid::SELF, note, cpu as usize)?;
    let ours = port::bind_interdomain(Domid::SELF, theirs.port(), |_| {}, 0)?;
    theirs.move_to(next(cpu))?;
    let before = came.load(Ordering::SeqCst);
    for sent in 1..=EVENTS {
        ours.notify()?;
        if !arrives(|| came.load(Ordering::SeqCst) >= before + sent) {
            seen.lost += 1;
            return Ok(());
        }
    }
    drop((ours, theirs));
    seen.too_many += came.load(Ordering::SeqCst) - before - EVENTS;
    Ok(())
}

fn arrives(came: impl Fn() -> bool) -> bool {
    let deadline = after(PATIENCE);
    while !came() {
        if now() >= deadline {
            return false;
        }
        thread::yield_now();
        console::xen::yield_now();
    }
    true
}

fn note(cpu: usize) {
    CAME[cpu].fetch_add(1, Ordering::SeqCst);
}

/// The vCPU behind this one, or the first.
fn next(cpu: u32) -> u32 {
    smp::online().iter().find(|other| *other > cpu).unwrap_or(0)
}
