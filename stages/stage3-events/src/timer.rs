//! Timers: functions to be called at a point in time.
//!
//! Each vCPU has a queue of them, and one timer of Xen's (`VCPUOP_set_singleshot_timer`, `public/vcpu.h`), which is set to
//! the earliest of the queue. There are no ticks: a vCPU without timers is left alone.
//!
//! A vCPU that is switched off leaves its queue to another, which looks after both ([`hand_over`]).
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
    /// The sequence number of the timer whose function runs, or [`NEVER`].
    running: AtomicU64,
    /// The number of the vCPU that looks after this queue, which is its own unless it is off.
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

impl Drop for Timer {
    fn drop(&mut self) {
        let Some(vcpu) = Vcpu::of(self.vcpu) else { return };
        let mut queue = vcpu.timers.queue.lock();
        if let Some(place) = queue.place(self.entry)
            && let Some(removed) = timer_heap::remove(&mut *queue, place)
        {
            queue.give_slot(removed);
        }
        drop(queue);
        // Its function may be running on another vCPU. (If it is on this one, it is the function that drops it.)
        let here = cpu::current().id() == vcpu.timers.keeper.load(Ordering::SeqCst);
        while !here && vcpu.timers.running.load(Ordering::SeqCst) == self.entry.sequence {
            offer_processor();
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
    run_queue(&vcpu.timers);
    kept_by(vcpu).for_each(|other| run_queue(&other.timers));
    arm(vcpu);
}

fn run_queue(timers: &Timers) {
    loop {
        let mut queue = timers.queue.lock();
        if queue.is_empty() {
            return;
        }
        let Some(entry) = timer_heap::pop_due(&mut *queue, clock::now().0) else { return };
        let Some((callback, argument)) = queue.give_slot(entry) else { continue };
        timers.running.store(entry.sequence, Ordering::SeqCst);
        drop(queue);
        callback(argument);
        timers.running.store(NEVER, Ordering::SeqCst);
    }
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
    vcpu.timers.keeper.store(keeper, Ordering::SeqCst);
    HANDED_OVER[id as usize / 64].fetch_or(1 << (id % 64), Ordering::SeqCst);
    other.timers.look.store(true, Ordering::SeqCst);
}

/// Takes this vCPU's timers back. By itself, when it is on again, with events masked.
pub fn take_back() {
    let Some(vcpu) = Vcpu::current() else { return };
    let id = vcpu.id();
    HANDED_OVER[id as usize / 64].fetch_and(!(1 << (id % 64)), Ordering::SeqCst);
    vcpu.timers.keeper.store(id, Ordering::SeqCst);
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
