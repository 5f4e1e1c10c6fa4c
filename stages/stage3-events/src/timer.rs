//! Timers: functions to be called at a point in time.
//!
//! Each vCPU has a queue of them, and one timer of Xen's (`VCPUOP_set_singleshot_timer`, `public/vcpu.h`), which is set to
//! the earliest of the queue. There are no ticks: a vCPU without timers is left alone.
//!
//! A vCPU that is switched off leaves its queue to another, which looks after both ([`hand_over`]). Whoever looks after a
//! queue is its *keeper*; no other vCPU calls its functions, and it changes only while none of them runs.
//!
//! Invariant: a function is called once, at its time or later, never before; and no more once its [`Timer`] is dropped.
//! Xen's timer is set anew behind the last port and function of an upcall, as one that is in the past would otherwise
//! fire into the upcall that sets it, and be lost.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use console::bedrock::{cpu, offer_processor};
use console::lock::Lock;

use crate::clock::{self, Nanoseconds};
use crate::timer_heap::{self, Entry, Slots};
use crate::vcpu::Vcpu;
use crate::xen;

/// What a timer calls: with events masked, on the vCPU that set it, with the argument that it was set with. It must be
/// quick, and can't wait.
pub type Callback = fn(usize);

/// There is no memory for one more timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no memory for one more timer")
    }
}

impl core::error::Error for OutOfMemory {}

/// Nothing is to happen.
const NEVER: u64 = u64::MAX;

/// The timers of a vCPU.
pub(crate) struct Timers {
    queue: Lock<Slots>,
    /// When Xen's timer is to fire.
    armed: AtomicU64,
    /// The sequence number of the timer whose function runs, or [`NEVER`]. Set under the queue's lock, by the keeper.
    running: AtomicU64,
    /// The number of the vCPU that looks after this queue, which is its own unless it is off. Changed under the lock.
    keeper: AtomicU32,
    /// Another queue was handed over: look at Xen's timer even if it hasn't fired.
    look: AtomicBool,
}

/// The vCPUs whose queues others look after, a bit each.
static HANDED_OVER: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

impl Timers {
    pub(crate) const fn new(vcpu: u32) -> Self {
        Self {
            queue: Lock::new(Slots::new()),
            armed: AtomicU64::new(NEVER),
            running: AtomicU64::new(NEVER),
            keeper: AtomicU32::new(vcpu),
            look: AtomicBool::new(false),
        }
    }

    // ANCHOR: run
    /// Calls the functions that are due, if `keeper` looks after this queue. Events are masked.
    fn run(&self, keeper: u32) {
        loop {
            let mut queue = self.queue.lock();
            if queue.is_empty() || self.keeper.load(Ordering::Relaxed) != keeper {
                return;
            }
            let Some(entry) = timer_heap::pop_due(&mut *queue, clock::now().0) else { return };
            let Some((callback, argument)) = queue.give_slot(entry) else { continue };
            self.running.store(entry.sequence, Ordering::SeqCst);
            drop(queue);
            callback(argument);
            self.running.store(NEVER, Ordering::SeqCst);
        }
    }
    // ANCHOR_END: run

    /// Makes another vCPU the keeper, once the one that has been so far runs no function of this queue.
    fn give_to(&self, keeper: u32) {
        loop {
            let queue = self.queue.lock();
            if self.running.load(Ordering::SeqCst) == NEVER {
                return self.keeper.store(keeper, Ordering::SeqCst);
            }
            drop(queue);
            offer_processor();
        }
    }

    /// Takes a timer out. When this returns, its function isn't running, unless it is the one that calls this.
    fn remove(&self, entry: Entry) {
        let mut queue = self.queue.lock();
        if let Some(place) = queue.place(entry)
            && let Some(removed) = timer_heap::remove(&mut *queue, place)
        {
            queue.give_slot(removed);
        }
        drop(queue);
        // With events masked this stays on its vCPU. If that one runs the function, it is the function that does this.
        let in_the_function = cpu::events_masked() && cpu::current().id() == self.keeper.load(Ordering::SeqCst);
        while !in_the_function && self.running.load(Ordering::SeqCst) == entry.sequence {
            offer_processor();
        }
    }
}

/// A timer that is set. Dropping it cancels it; it needs no dropping once it has called its function.
#[derive(Debug)]
pub struct Timer {
    vcpu: u32,
    entry: Entry,
}

/// Has `callback(argument)` be called once `deadline` has come: at once if it has passed.
///
/// # Errors
/// If there is no memory for it.
///
/// # Panics
/// Before the stage has booted.
pub fn set(deadline: Nanoseconds, callback: Callback, argument: usize) -> Result<Timer, OutOfMemory> {
    // While events are masked, this stays on its vCPU.
    let masked_before = cpu::mask_events();
    let result = set_here(deadline, callback, argument);
    cpu::restore_events(masked_before);
    result
}

fn set_here(deadline: Nanoseconds, callback: Callback, argument: usize) -> Result<Timer, OutOfMemory> {
    let Some(vcpu) = Vcpu::current() else { panic!("a timer on a vCPU that has none yet") };
    let mut queue = vcpu.timers.queue.lock();
    let entry = queue.take_slot(deadline.0, callback, argument)?;
    timer_heap::insert(&mut *queue, entry);
    drop(queue);
    arm(vcpu);
    Ok(Timer { vcpu: vcpu.id(), entry })
}

/// Waits for the function if another vCPU runs it: whoever drops a timer mustn't hold what its function needs.
impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(vcpu) = Vcpu::of(self.vcpu) {
            vcpu.timers.remove(self.entry);
        }
    }
}

/// The handler of `VIRQ_TIMER`: Xen's timer isn't set any more. What is due runs at the end of the upcall.
pub(crate) fn fired(_: usize) {
    if let Some(vcpu) = Vcpu::current() {
        vcpu.timers.armed.store(NEVER, Ordering::Relaxed);
    }
}

// ANCHOR: run_due
/// Calls the functions of all timers that are due, then sets Xen's timer for the next. Events are masked.
pub(crate) fn run_due(vcpu: &Vcpu) {
    let looked_for = vcpu.timers.look.swap(false, Ordering::SeqCst);
    if vcpu.timers.armed.load(Ordering::Relaxed) != NEVER && !looked_for {
        return; // Xen's timer hasn't fired: nothing is due
    }
    vcpu.timers.run(vcpu.id());
    kept_by(vcpu).for_each(|other| other.timers.run(vcpu.id()));
    arm(vcpu);
}
// ANCHOR_END: run_due

/// The vCPUs whose queues this one looks after, besides its own.
fn kept_by(vcpu: &Vcpu) -> impl Iterator<Item = &'static Vcpu> {
    let words = [HANDED_OVER[0].load(Ordering::SeqCst), HANDED_OVER[1].load(Ordering::SeqCst)];
    let bits = (0..128_u32).filter(move |id| words[*id as usize / 64] >> (id % 64) & 1 == 1);
    let keeper = vcpu.id();
    let all = if words == [0, 0] { 0 } else { usize::MAX };
    bits.take(all).filter_map(Vcpu::of).filter(move |other| other.timers.keeper.load(Ordering::SeqCst) == keeper)
}

/// Has `keeper` look after this vCPU's timers, because it is about to be switched off. By itself, with events masked. `keeper` has
/// to be interrupted afterwards.
pub fn hand_over(keeper: u32) {
    let (Some(vcpu), Some(other)) = (Vcpu::current(), Vcpu::of(keeper)) else { return };
    let id = vcpu.id();
    vcpu.timers.give_to(keeper);
    HANDED_OVER[id as usize / 64].fetch_or(1 << (id % 64), Ordering::SeqCst);
    other.timers.look.store(true, Ordering::SeqCst);
}

/// Takes this vCPU's timers back. By itself, when it is on again, with events masked.
pub fn take_back() {
    let Some(vcpu) = Vcpu::current() else { return };
    let id = vcpu.id();
    vcpu.timers.give_to(id);
    HANDED_OVER[id as usize / 64].fetch_and(!(1 << (id % 64)), Ordering::SeqCst);
    vcpu.timers.armed.store(NEVER, Ordering::Relaxed);
    arm(vcpu);
}

/// Sets Xen's timer for the earliest timer, if that is earlier than what it is set to. Events are masked.
fn arm(vcpu: &Vcpu) {
    let first = |of: &Vcpu| of.timers.queue.lock().first().map_or(NEVER, |entry| entry.deadline);
    let earliest = kept_by(vcpu).map(first).fold(first(vcpu), u64::min);
    if earliest < vcpu.timers.armed.load(Ordering::Relaxed) {
        vcpu.timers.armed.store(earliest, Ordering::Relaxed);
        let at = clock::system_time_at(Nanoseconds(earliest));
        let _ = xen::set_one_shot_timer(vcpu.id(), at); // it can only refuse another vCPU's timer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::sync::mpsc;
    use std::time::Duration;

    static RUNS: AtomicU32 = AtomicU32::new(0);
    static GO_ON: AtomicBool = AtomicBool::new(false);

    /// Runs until it is told to go on.
    fn slow(_: usize) {
        RUNS.fetch_add(1, Ordering::SeqCst);
        while !GO_ON.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }

    fn set(timers: &Timers, callback: Callback) -> Entry {
        let mut queue = timers.queue.lock();
        let entry = queue.take_slot(0, callback, 0).unwrap();
        timer_heap::insert(&mut *queue, entry);
        entry
    }

    /// Does it on another vCPU, so to say, and tells when it is done.
    fn beside(run: impl FnOnce() + Send + 'static) -> mpsc::Receiver<()> {
        let (sender, done) = mpsc::channel();
        std::thread::spawn(move || {
            run();
            let _ = sender.send(());
        });
        done
    }

    #[test]
    fn a_queue_changes_hands_only_while_none_of_its_functions_runs() {
        let timers: &'static Timers = Box::leak(Box::new(Timers::new(5)));
        timers.give_to(1);
        let entry = set(timers, slow);
        timers.run(5);
        assert_eq!(RUNS.load(Ordering::SeqCst), 0, "another one than the keeper ran it");
        let runs = beside(|| timers.run(1));
        while RUNS.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let back = beside(|| timers.give_to(5));
        let dropped = beside(move || timers.remove(entry));
        let short = Duration::from_millis(50);
        assert!(back.recv_timeout(short).is_err(), "the old keeper still runs a function");
        assert!(dropped.recv_timeout(short).is_err(), "the function that is dropped still runs");
        GO_ON.store(true, Ordering::SeqCst);
        let long = Duration::from_secs(60);
        [runs, back, dropped].iter().for_each(|done| done.recv_timeout(long).unwrap());
        let _ = set(timers, slow);
        timers.run(1);
        assert_eq!(RUNS.load(Ordering::SeqCst), 1, "the old keeper ran one more");
        timers.run(5);
        assert_eq!(RUNS.load(Ordering::SeqCst), 2);
    }
}
