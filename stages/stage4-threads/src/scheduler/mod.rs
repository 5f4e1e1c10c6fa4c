//! Who runs where, and for how long.
//!
//! Every vCPU has a queue of its own of threads that are ready ([`ready`](crate::ready)), and picks from it. One that has
//! nothing to do takes from others. A thread that is woken goes where it ran last, unless there is a vCPU with nothing to do. A
//! thread that has run for a whole slice while another is ready is put back by the timer: the upcall's handler has saved all of
//! its registers on its stack, and calls the same [`switch`] as a thread that goes by itself.
//!
//! Invariants: [`schedule`] runs with events masked. A thread in a queue whose stack is still in use (`on_cpu`) is taken
//! by no other vCPU than the one that leaves it. What is done behind a switch ([`finish`]) is done before anything else, by
//! whoever has been switched to. No two queues are locked at a time.

mod cpu;
mod idle;
mod lists;
mod slice;

use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};

use console::bedrock::cpu::{self as vcpu, Slot};
use console::lock::Lock;
use events::clock;

pub(crate) use cpu::{IDLE, Leaving, ONLINE, Scheduler};
pub(crate) use idle::idle_loop;
pub(crate) use slice::{disarm, resume};
pub use slice::{set_slice, slice};

use crate::context::switch;
use crate::cpu_set::CpuSet;
use crate::thread::{Control, Thread};
use cpu::{ABOVE_IDLE, running_level};
use lists::{Item, List};

/// Threads that have ended, and whose stacks nobody uses any more.
static ENDED: Lock<List> = Lock::new(List::EMPTY);

/// The thread that runs.
pub(crate) fn current() -> &'static Control {
    let address = vcpu::here(Slot::Thread) as usize;
    // SAFETY: the slot leads to the thread that runs, which isn't freed before it has ended. ('static is longer than
    // that; the callers of this are the thread itself.)
    unsafe { &*core::ptr::with_exposed_provenance::<Control>(address) }
}

/// Whether there are threads yet.
pub(crate) fn is_up() -> bool {
    vcpu::here(Slot::Thread) != 0
}

// ANCHOR: schedule
/// Leaves the thread that runs for the one that is to run next. Returns when the thread runs again, perhaps on another
/// vCPU; at once, if none is to run before it.
pub(crate) fn schedule(leaving: Leaving) {
    let Some(here) = Scheduler::here() else { return };
    let previous = current();
    let leaving = if leaving == Leaving::Ready && !may_run(previous, here.cpu) { Leaving::Elsewhere } else { leaving };
    here.reschedule.store(false, Ordering::Relaxed);
    let next = choose(here, previous, leaving);
    let now = clock::ticks();
    let ran = now.saturating_sub(here.since.swap(now, Ordering::Relaxed));
    previous.run_time.fetch_add(ran, Ordering::Relaxed);
    if !previous.idle {
        here.busy.fetch_add(ran, Ordering::Relaxed);
    }
    if core::ptr::eq(next, previous) {
        return slice::arm(here);
    }
    here.left.set(Some((NonNull::from(previous), leaving)));
    enter(here, next);
    if next.fs_base.load(Ordering::Relaxed) != previous.fs_base.load(Ordering::Relaxed) {
        crate::thread::load_fs_base(next.fs_base.load(Ordering::Relaxed));
    }
    // SAFETY: `next` was prepared, or left by a switch; it is nobody else's, having been taken out of a queue with `on_cpu` false,
    // or being this vCPU's idle thread. Where its registers are doesn't change until it is left again.
    let load = unsafe { *next.rsp.get() };
    // SAFETY: as above; `previous` is this thread, and is resumed from there once, after `finish` has let go of it.
    unsafe { switch(previous.rsp.get(), load) };
    finish();
}
// ANCHOR_END: schedule

fn choose(here: &Scheduler, previous: &'static Control, leaving: Leaving) -> &'static Control {
    let mut again = leaving == Leaving::Ready && !previous.idle;
    loop {
        let picked = {
            let mut ready = here.ready.lock();
            if core::mem::take(&mut again) {
                put(here, &mut ready, previous);
            }
            let picked = ready.pick();
            if let Some(item) = picked {
                taken(here, item);
            }
            picked
        };
        let Some(item) = picked.or_else(|| steal(here)) else { return here.idle_thread() };
        // SAFETY: it was in a queue, so it has not ended, and can't before it runs.
        let next: &'static Control = unsafe { item.as_ptr().as_ref() };
        if core::ptr::eq(next, previous) || may_run(next, here.cpu) {
            return next;
        }
        make_ready(next); // its affinity was changed while it waited here
    }
}

fn put(here: &Scheduler, ready: &mut crate::ready::ReadyQueue<lists::Lists>, thread: &Control) {
    thread.ready.store(true, Ordering::Relaxed);
    ready.put(usize::from(thread.level.load(Ordering::Relaxed)), Item::new(thread));
    here.count.fetch_add(1, Ordering::Relaxed);
}

fn taken(from: &Scheduler, item: Item) {
    item.control().ready.store(false, Ordering::Relaxed);
    from.count.fetch_sub(1, Ordering::Relaxed);
}

fn enter(here: &Scheduler, next: &Control) {
    next.cpu.store(here.cpu, Ordering::Relaxed);
    next.on_cpu.store(true, Ordering::Relaxed);
    here.running.store(running_level(next), Ordering::Relaxed);
    here.switches.fetch_add(1, Ordering::Relaxed);
    let address = core::ptr::from_ref(next).expose_provenance() as u64;
    vcpu::current().slot(Slot::Thread).store(address, Ordering::Relaxed);
}

/// What is to be done behind a switch, by the thread that was switched to: its predecessor is let go.
pub(crate) fn finish() {
    let Some(here) = Scheduler::here() else { return };
    slice::arm(here);
    let Some((previous, leaving)) = here.left.take() else { return };
    // SAFETY: it has not been let go of yet.
    let previous: &'static Control = unsafe { previous.as_ref() };
    // From here on its registers are on its stack, and no vCPU uses that.
    previous.on_cpu.store(false, Ordering::Release);
    match leaving {
        Leaving::Ready => {
            if !previous.idle {
                fence(Ordering::SeqCst); // off its stack, before looking who is idle; `idle` does it the other way round
                offer(here, previous);
            }
        }
        Leaving::Elsewhere => make_ready(previous),
        Leaving::Asleep => {
            if !previous.parking.settle() {
                make_ready(previous);
            }
        }
        Leaving::Finished => {
            // Whoever joins may free it only when this is done with it: so through the list, with a reference of its own.
            // The list is held until then, as another vCPU may be reaping, and nobody else may know a detached thread.
            let mut ended = ENDED.lock();
            ended.push(Item::new(previous));
            previous.finished.complete();
            drop(ended);
        }
    }
}

/// Frees what is left of threads that have ended. Events needn't be masked.
pub(crate) fn reap() {
    loop {
        let Some(item) = ENDED.lock().take(&mut |_| true) else { return };
        // SAFETY: the thread's own reference, made a pointer when it was spawned, and given back here once.
        drop(unsafe { Thread::from_raw(item.as_ptr()) });
    }
}

/// Wakes a thread that sleeps, or has its next attempt to sleep fail.
pub(crate) fn wake(thread: &Control) {
    if thread.parking.wake() {
        make_ready(thread);
    }
}

/// Puts a thread that nobody has into a queue.
pub(crate) fn make_ready(thread: &Control) {
    let masked = vcpu::mask_events();
    let (target, was_idle) = loop {
        let (target, was_idle) = place(thread);
        let mut ready = target.ready.lock();
        // It may have been switched off since it was chosen. It leaves the set first, and then gives away what is in its queue,
        // under this lock: so either it gives this thread away too, or it is seen here that it has left.
        if ONLINE.contains(target.cpu) {
            put(target, &mut ready, thread);
            break (target, was_idle);
        }
    };
    fence(Ordering::SeqCst); // in the queue, before looking whether the vCPU sleeps; `idle` does it the other way round
    let level = thread.level.load(Ordering::Relaxed) + ABOVE_IDLE;
    let better = level > target.running.load(Ordering::Relaxed);
    if target.cpu == vcpu::current().id() {
        if better {
            target.reschedule.store(true, Ordering::Relaxed);
        }
        slice::arm(target);
    } else if was_idle || better || IDLE.contains(target.cpu) || !target.slice_armed.load(Ordering::Relaxed) {
        target.interrupt();
    }
    vcpu::restore_events(masked);
}

/// To be called when threads were woken: lets one of them run at once if it is more important than this one.
pub(crate) fn after_wake() {
    if vcpu::events_masked() {
        return; // in an upcall, which looks itself before it returns; or under a spinlock
    }
    let masked = vcpu::mask_events();
    if Scheduler::here().is_some_and(|here| here.reschedule.load(Ordering::Relaxed)) && !current().idle {
        schedule(Leaving::Ready);
    }
    vcpu::restore_events(masked);
}

/// Where a thread may run: where its affinity says, or anywhere if none of that is on.
fn allowed(thread: &Control) -> CpuSet {
    let online = ONLINE.load();
    let wanted = thread.affinity.load().and(online);
    if wanted.is_empty() { online } else { wanted }
}

/// Whether a vCPU is among those. Most threads may run anywhere, and the vCPU is on: then that is known at once.
fn may_run(thread: &Control, cpu: u32) -> bool {
    thread.affinity.contains(cpu) && ONLINE.contains(cpu) || allowed(thread).contains(cpu)
}

/// Chooses the vCPU for a thread that is ready: its last one or another with nothing to do, or one where it is the most
/// important. Also tells whether it had nothing to do: it has now, and the next thread goes elsewhere.
fn place(thread: &Control) -> (&'static Scheduler, bool) {
    let allowed = allowed(thread);
    let last = thread.cpu.load(Ordering::Relaxed);
    let idle = IDLE.load().and(allowed);
    let claimed = core::iter::once(last).filter(|last| idle.contains(*last)).chain(idle.iter());
    let claimed = claimed.into_iter().find(|cpu| IDLE.remove(*cpu));
    let chosen = claimed.unwrap_or_else(|| busy_place(allowed, last));
    match Scheduler::of(chosen).or_else(Scheduler::here) {
        Some(scheduler) => (scheduler, claimed.is_some()),
        None => unreachable!("there are no threads before the first vCPU has its scheduler"),
    }
}

/// Where every vCPU has something to do: the one that runs the least important thread and has the fewest others waiting; the last
/// one, if it is as good.
fn busy_place(allowed: CpuSet, last: u32) -> u32 {
    let load = |cpu: u32| match Scheduler::of(cpu) {
        Some(cpu) => (cpu.running.load(Ordering::Relaxed), cpu.count.load(Ordering::Relaxed)),
        None => (u8::MAX, usize::MAX),
    };
    let least = allowed.iter().min_by_key(|cpu| load(*cpu)).unwrap_or(0);
    if allowed.contains(last) && load(last) <= load(least) { last } else { least }
}

/// Takes a thread from another vCPU's queue.
fn steal(here: &Scheduler) -> Option<Item> {
    let others = || Scheduler::online().filter(|other| other.cpu != here.cpu);
    let behind = others().filter(|other| other.cpu > here.cpu).chain(others().filter(|other| other.cpu < here.cpu));
    for other in behind.filter(|other| other.count.load(Ordering::Relaxed) > 0) {
        let mut fits = |item: &Item| {
            let thread = item.control();
            !thread.on_cpu.load(Ordering::Acquire) && may_run(thread, here.cpu)
        };
        // Not `try_lock`: whoever has nothing to do would go to sleep beside a thread that is ready.
        let mut ready = other.ready.lock();
        if let Some(item) = ready.steal(&mut fits) {
            taken(other, item);
            return Some(item);
        }
    }
    None
}

/// Tells a vCPU with nothing to do that there is a thread in this queue that it may take from now on.
fn offer(here: &Scheduler, thread: &Control) {
    if here.count.load(Ordering::Relaxed) > 0
        && !IDLE.load().is_empty()
        && let Some(idle) = IDLE.load().and(allowed(thread)).iter().find(|cpu| IDLE.remove(*cpu))
        && let Some(idle) = Scheduler::of(idle)
    {
        idle.interrupt();
    }
}

/// Gives all threads that are ready here to other vCPUs. This one is not in [`ONLINE`] any more.
pub(crate) fn give_away(here: &Scheduler) {
    loop {
        let Some(item) = here.ready.lock().steal(&mut |_| true) else { return };
        taken(here, item);
        make_ready(item.control());
    }
}

/// Puts a new thread of control in place of the code that runs since the start, and lets threads be made.
pub(crate) fn adopt(main: &Control, idle: &Control) -> &'static Scheduler {
    let masked = vcpu::mask_events();
    let block = vcpu::current();
    let scheduler = Scheduler::create(block, idle.into(), main);
    ONLINE.insert(block.id());
    vcpu::restore_events(masked);
    scheduler
}
