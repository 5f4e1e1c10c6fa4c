use std::cell::{Cell, RefCell};
use std::vec::Vec;

use crate::sync::{CONTENDED, FREE, LOCKED, Sleepers, TimedOut, lock, notify, try_lock, unlock, wait};
use crate::sys::{AtomicU32, Ordering};
use crate::time::Nanoseconds;
use crate::wait_queue::Waited;

/// Sleepers of whom nobody sleeps: at each wait the word becomes what the script says.
#[derive(Default)]
struct Script {
    steps: RefCell<Vec<(u32, Waited)>>,
    waits: Cell<u32>,
    wakes: Cell<usize>,
}

impl Script {
    fn new(steps: &[(u32, Waited)]) -> Self {
        let steps = RefCell::new(steps.iter().rev().copied().collect());
        Self { steps, ..Self::default() }
    }
}

impl Sleepers for Script {
    fn wait(&self, word: &AtomicU32, expected: u32, _: Option<Nanoseconds>) -> Waited {
        self.waits.set(self.waits.get() + 1);
        if word.load(Ordering::Relaxed) != expected {
            return Waited::Changed;
        }
        let (next, waited) = self.steps.borrow_mut().pop().expect("a wait that nobody ends");
        word.store(next, Ordering::Relaxed);
        waited
    }

    fn wake(&self, most: usize) {
        self.wakes.set(self.wakes.get() + most);
    }
}

#[test]
fn a_free_lock_costs_no_look_at_the_sleepers() {
    let (word, script) = (AtomicU32::new(FREE), Script::default());
    lock(&word, &script, None).unwrap();
    assert_eq!(word.load(Ordering::Relaxed), LOCKED);
    assert!(!try_lock(&word));
    unlock(&word, &script);
    assert!(try_lock(&word));
    assert_eq!((script.waits.get(), script.wakes.get()), (0, 0));
}

#[test]
fn a_taken_lock_is_slept_for_and_taken_as_contended() {
    let (word, script) = (AtomicU32::new(LOCKED), Script::new(&[(LOCKED, Waited::Woken), (FREE, Waited::Woken)]));
    lock(&word, &script, None).unwrap();
    assert_eq!((word.load(Ordering::Relaxed), script.waits.get()), (CONTENDED, 2));
    unlock(&word, &script);
    assert_eq!((word.load(Ordering::Relaxed), script.wakes.get()), (FREE, 1));
}

#[test]
fn a_deadline_ends_the_wait_without_the_lock() {
    let (word, script) = (AtomicU32::new(LOCKED), Script::new(&[(CONTENDED, Waited::TimedOut)]));
    assert_eq!(lock(&word, &script, Some(Nanoseconds(1))), Err(TimedOut));
    assert_eq!(word.load(Ordering::Relaxed), CONTENDED);
}

#[test]
fn a_condition_gives_the_lock_back_and_takes_it_again() {
    let (condition, word) = (AtomicU32::new(u32::MAX), AtomicU32::new(LOCKED));
    let (script, others) = (Script::new(&[(0, Waited::Woken)]), Script::default());
    wait(&condition, &script, &word, &others, None).unwrap();
    assert_ne!(word.load(Ordering::Relaxed), FREE);
    let script = Script::new(&[(0, Waited::TimedOut)]);
    assert_eq!(wait(&condition, &script, &word, &others, Some(Nanoseconds(1))), Err(TimedOut));
    assert_ne!(word.load(Ordering::Relaxed), FREE);
    condition.store(u32::MAX, Ordering::Relaxed);
    notify(&condition, &script, 3);
    assert_eq!((condition.load(Ordering::Relaxed), script.wakes.get()), (0, 3));
}
