//! Who looks after requests that aren't answered.
//!
//! A thread for all disks looks at what is under way four times within the patience of a disk, and gives up on what has taken all of
//! it. So neither threads nor tasks that wait for a disk need timers of their own. When nothing is under way it sleeps until something is, so an
//! idle guest stays idle. It also tells of backends that lie, as the handler that finds it out can't.
//!
//! Invariant: while a request is under way this thread looks again.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use console::lock::Lock;
use threads::thread::{Builder, SpawnError};
use threads::time::after;
use threads::wait_queue::WaitQueue;

use crate::disk::Disk;

static DISKS: Lock<Vec<Weak<Disk>>> = Lock::new(Vec::new());
static WAKE: WaitQueue = WaitQueue::new();
/// The thread sleeps until something is under way.
static IDLE: AtomicBool = AtomicBool::new(false);
/// There is something to look at at once.
static NEWS: AtomicBool = AtomicBool::new(false);

/// Starts the thread.
pub(crate) fn start() -> Result<(), SpawnError> {
    Builder::new().name("disk watch").stack_size(32 * 1024).spawn(watch).map(drop)
}

/// Looks after this disk from now on, as long as it is there.
pub(crate) fn look_after(disk: &Arc<Disk>) {
    let mut disks = DISKS.lock();
    disks.retain(|known| known.strong_count() > 0);
    disks.push(Arc::downgrade(disk));
}

/// To be called after a request was accepted. It costs a load, but for the first one after a rest.
pub(crate) fn something_is_under_way() {
    if IDLE.load(Ordering::SeqCst) && IDLE.swap(false, Ordering::SeqCst) {
        WAKE.wake(1);
    }
}

/// Has the thread look at once. This may be called in an event's handler.
pub(crate) fn look_now() {
    NEWS.store(true, Ordering::SeqCst);
    WAKE.wake(1);
}

fn watch() {
    loop {
        NEWS.store(false, Ordering::SeqCst);
        let (mut under_way, pause) = look();
        if under_way == 0 {
            IDLE.store(true, Ordering::SeqCst);
            // Once more: whoever has made a request before that did not wake us. The queue's lock is what orders the two.
            under_way = look().0;
        }
        if under_way == 0 {
            WAKE.wait(None, || IDLE.load(Ordering::SeqCst) && !NEWS.load(Ordering::SeqCst));
        } else {
            WAKE.wait(Some(after(pause)), || !NEWS.load(Ordering::SeqCst));
        }
        IDLE.store(false, Ordering::SeqCst);
    }
}

/// Looks at all disks. Returns how many requests are under way, and when to look again.
fn look() -> (usize, Duration) {
    let (mut under_way, mut pause) = (0, crate::driver::PATIENCE / 4);
    let count = DISKS.lock().len();
    for index in 0..count {
        let disk = DISKS.lock().get(index).and_then(Weak::upgrade);
        if let Some(disk) = disk {
            under_way += disk.give_up();
            pause = pause.min(disk.patience() / 4);
        }
    }
    (under_way, pause)
}
