//! How much of our memory Xen has back.
//!
//! Follows what Linux calls its balloon (`drivers/xen/balloon.c`): the toolstack sets a target, and the guest gives frames back to
//! Xen, or takes them again, until it has that much: also more than it began with, up to `maxmem`. It never gives so many that nothing is left
//! to work with.
//!
//! Invariant: frames in the balloon are nobody's: they were free, and go back to the allocator when they come again.

use alloc::vec::Vec;

use console::println;
use memory::frames;
use memory::reservation::{self, Absent, MOST};
use memory::translate::limit;
use threads::sync::Mutex;

/// What the balloon leaves: 2 MiB that are free.
const LEAST_FREE: u64 = 512;

static BALLOON: Mutex<Vec<Absent>> = Mutex::new(Vec::new());

/// How many frames Xen has back.
pub fn given_back() -> u64 {
    BALLOON.lock().iter().map(Absent::count).sum()
}

/// How many frames of memory we have.
pub fn frames_here() -> u64 {
    frames::statistics().total - given_back()
}

// ANCHOR: set_target
/// Gives frames back, or takes some again, until we have so many; as nearly as that can be done.
pub fn set_target(target: u64) {
    let mut balloon = BALLOON.lock();
    let here = |balloon: &[Absent]| frames::statistics().total - balloon.iter().map(Absent::count).sum::<u64>();
    let (before, wanted) = (here(&balloon), target.min(limit()));
    let mut now = before;
    let mut moves = true;
    while moves && now != wanted {
        moves = if now > wanted { inflate(&mut balloon, now - wanted) } else { deflate(&mut balloon, wanted - now) };
        now = here(&balloon);
    }
    if now != before {
        println!("memory: {before} frames before, {now} now");
    }
    if now > target {
        println!("memory: dom0 asks for {target} frames, which leaves too little to work with");
    }
    if now < target {
        println!("memory: dom0 asks for {target} frames, which is more than there are");
    }
}
// ANCHOR_END: set_target

/// Gives up to `count` frames back. Returns whether any went.
fn inflate(balloon: &mut Vec<Absent>, count: u64) -> bool {
    let spare = frames::statistics().free.saturating_sub(LEAST_FREE);
    let mut size = count.min(spare).min(MOST);
    if balloon.try_reserve(2).is_err() {
        return false;
    }
    // The largest run that there is, so that few entries hold many frames.
    while size > 0 {
        match frames::allocate(size) {
            Ok(run) => {
                let before = balloon.len();
                balloon.extend(reservation::give_back(run).ok());
                return balloon.len() > before;
            }
            Err(_) => size /= 2,
        }
    }
    false
}

/// Takes up to `count` frames again. Returns whether all of them came.
fn deflate(balloon: &mut Vec<Absent>, count: u64) -> bool {
    if balloon.try_reserve(2).is_err() {
        return false;
    }
    let Some(absent) = balloon.pop().or_else(reservation::extend) else { return false };
    let (now, later) = absent.split(count);
    let (come, missing) = reservation::take_again(now);
    let all = missing.is_none();
    drop(come); // free
    balloon.extend(missing);
    balloon.extend(later);
    all
}
