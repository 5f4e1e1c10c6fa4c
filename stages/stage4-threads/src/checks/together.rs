//! The check of exercise 4c that needs threads: the kernel is brought up for it, without a word.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use console::bedrock::{Record, Reporter};
use fastrand::Rng;
use threads::executor;
use threads::sync::{Condvar, Mutex};
use threads::thread::{self, JoinHandle};
use threads::time::{after, now};

/// Runs it.
pub fn run(reporter: &Reporter, entry: &console::Entry) {
    reporter.check("4c.threads", |rng, record| {
        threads::prepare(entry);
        count(rng, record);
        pass_on(rng, record);
        wait_long(rng, record);
    });
}

/// Draws: `workers = rng.u64(4..=8)`; `rounds = rng.u64(200..=500)`. Each worker, numbered from 1, adds its number to a sum under a
/// lock so often.
/// Records: `case=count`, `sum`.
fn count(rng: &mut Rng, record: &Record) {
    let workers = rng.u64(4..=8);
    let rounds = rng.u64(200..=500);
    let sum = Arc::new(Mutex::new(0_u64));
    let threads: Vec<JoinHandle<()>> = (1..=workers)
        .filter_map(|number| {
            let sum = sum.clone();
            let work = move || {
                for round in 0..rounds {
                    let mut guard = sum.lock();
                    let before = *guard;
                    if round % 16 == 0 {
                        thread::yield_now(); // with the lock held: others have to wait
                    }
                    *guard = before + number;
                }
            };
            thread::spawn(work).ok()
        })
        .collect();
    threads.into_iter().for_each(JoinHandle::join);
    record.saw(format_args!("case=count sum={}", *sum.lock()));
}

/// Draws: `items = rng.u64(200..=500)`; `takers = rng.u64(1..=3)`. The items 1 to `items` go through a list, under a lock, to the
/// takers; an empty list is waited for by a condition. Then everybody is told that it is over.
/// Records: `case=items`, `sum` of what was taken, `takers`, how many ended.
fn pass_on(rng: &mut Rng, record: &Record) {
    let items = rng.u64(200..=500);
    let takers = rng.u64(1..=3);
    let shared = Arc::new((Mutex::new((Vec::new(), false)), Condvar::new()));
    let threads: Vec<JoinHandle<u64>> = (0..takers)
        .filter_map(|_| {
            let shared = shared.clone();
            let take = move || {
                let mut sum = 0;
                loop {
                    let wait = |(items, over): &mut (Vec<u64>, bool)| items.is_empty() && !*over;
                    let mut guard = shared.1.wait_while(shared.0.lock(), wait);
                    match guard.0.pop() {
                        Some(item) => sum += item,
                        None => return sum,
                    }
                }
            };
            thread::spawn(take).ok()
        })
        .collect();
    for item in 1..=items {
        shared.0.lock().0.push(item);
        shared.1.notify_one();
        if item % 8 == 0 {
            thread::yield_now();
        }
    }
    shared.0.lock().1 = true;
    shared.1.notify_all();
    let sums: Vec<u64> = threads.into_iter().map(JoinHandle::join).collect();
    record.saw(format_args!("case=items sum={} takers={}", sums.iter().sum::<u64>(), sums.len()));
}

/// Draws: `milliseconds = rng.u64(100..=200)`. A lock is held for so long; one thread waits for it without a deadline, and one
/// with a deadline after a quarter of that.
/// Records: `case=patient`, `used`, the milliseconds of processor time that the first one has used. `case=deadline`, `timed_out`, 0 or
/// 1, and `early`, by how many microseconds the second one's wait ended before its deadline.
fn wait_long(rng: &mut Rng, record: &Record) {
    let span = Duration::from_millis(rng.u64(100..=200));
    let lock = Arc::new(Mutex::new(()));
    let guard = lock.lock();
    let theirs = lock.clone();
    let patient = thread::spawn(move || {
        drop(theirs.lock());
        thread::yield_now(); // its time is counted when it is left
        thread::current().run_time().as_millis()
    });
    let theirs = lock.clone();
    let hasty = thread::spawn(move || {
        let deadline = after(span / 4);
        let timed_out = theirs.lock_until(deadline).is_err();
        (timed_out, deadline.0.saturating_sub(now().0) / 1000)
    });
    executor::block_on(executor::sleep(span));
    drop(guard);
    let used = patient.map_or(u128::MAX, JoinHandle::join);
    let (timed_out, early) = hasty.map_or((false, 0), JoinHandle::join);
    record.saw(format_args!("case=patient used={used}"));
    record.saw(format_args!("case=deadline timed_out={} early={early}", u8::from(timed_out)));
}
