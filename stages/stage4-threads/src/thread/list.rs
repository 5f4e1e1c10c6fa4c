//! All threads there are, for whoever wants to look.
//!
//! Invariant: a thread is in the list from before it first runs until it has ended.

use alloc::vec::Vec;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use core::time::Duration;

use console::lock::Lock;

use super::{Control, Name, Thread};

struct Entry(NonNull<Control>);

// SAFETY: a pointer to something that any vCPU may use.
unsafe impl Send for Entry {}

static ALL: Lock<Vec<Entry>> = Lock::new(Vec::new());

/// Adds a thread; `false` if there is no memory for that.
pub(super) fn add(thread: &Thread) -> bool {
    let mut all = ALL.lock();
    if all.try_reserve(1).is_err() {
        return false;
    }
    thread.control().index.store(all.len(), Ordering::Relaxed);
    all.push(Entry(NonNull::from(thread.control())));
    true
}

/// Removes a thread that has ended, or could not begin.
pub(crate) fn remove(control: &Control) {
    let mut all = ALL.lock();
    let index = control.index.load(Ordering::Relaxed);
    if index < all.len() {
        all.swap_remove(index);
        if let Some(moved) = all.get(index) {
            // SAFETY: threads in the list have not ended.
            unsafe { moved.0.as_ref() }.index.store(index, Ordering::Relaxed);
        }
    }
}

/// What a thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It runs.
    Running,
    /// It could run, and waits for a vCPU.
    Ready,
    /// It waits for something.
    Waiting,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
        })
    }
}

/// A thread as it was at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: Name,
    /// What it does.
    pub state: State,
    /// Where it runs, or ran last.
    pub cpu: u32,
    /// Its priority.
    pub priority: u8,
    /// For how long it has run; without the time since it was switched to.
    pub run_time: Duration,
    /// It is what a vCPU does when there is nothing to do.
    pub idle: bool,
}

/// All threads, by number. Those for which there is no memory are left out.
pub fn list() -> Vec<Info> {
    let mut infos = Vec::new();
    let room = ALL.lock().len() + 8;
    if infos.try_reserve(room).is_err() {
        return infos;
    }
    for Entry(control) in ALL.lock().iter().take(room) {
        // SAFETY: threads in the list have not ended.
        infos.push(info(unsafe { control.as_ref() }));
    }
    infos.sort_unstable_by_key(|info| info.number);
    infos
}

fn info(control: &Control) -> Info {
    let state = if control.ready.load(Ordering::Relaxed) {
        State::Ready
    } else if control.on_cpu.load(Ordering::Relaxed) {
        State::Running
    } else {
        State::Waiting
    };
    Info {
        number: control.number,
        name: control.name,
        state,
        cpu: control.cpu.load(Ordering::Relaxed),
        priority: control.level.load(Ordering::Relaxed),
        run_time: control.run_time(),
        idle: control.idle,
    }
}

/// Prints all threads on the console, one a line.
pub fn print_list() {
    console::println!("  number name            state   cpu priority   run time");
    for Info { number, name, state, cpu, priority, run_time, .. } in list() {
        let (seconds, millis) = (run_time.as_secs(), run_time.subsec_millis());
        console::println!("  {number:>6} {name:<15} {state:<7} {cpu:>3} {priority:>8} {seconds:>6}.{millis:03} s");
    }
}
