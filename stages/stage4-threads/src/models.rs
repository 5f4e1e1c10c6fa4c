//! loom's models: every order in which a few threads could run, of which each must end well.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p stage4-threads --release --lib --features reference`
//!
//! A deadline in these is one that has passed: it ends the first sleep, whether somebody wakes the sleeper just then or not.

mod tasks;

use loom::sync::Arc;
use loom::thread;
use std::vec::Vec;

use crate::park::Parking;
use crate::sync::{Barrier, Completion, Condvar, Mutex, Once, RwLock, Semaphore};
use crate::sys::{AtomicBool, AtomicUsize, Ordering};
use crate::time::Nanoseconds;

const PASSED: Nanoseconds = Nanoseconds(0);

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// One thread falls asleep and is settled while two others wake it: it is made runnable exactly once for each sleep.
#[test]
fn a_thread_that_falls_asleep_is_made_runnable_once() {
    model(|| {
        let parking = Arc::new(Parking::new());
        let runnable = Arc::new(AtomicUsize::new(0));
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let (parking, runnable) = (parking.clone(), runnable.clone());
                thread::spawn(move || {
                    if parking.wake() {
                        runnable.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let slept = parking.prepare();
        if slept && !parking.settle() {
            runnable.fetch_add(1, Ordering::SeqCst);
        }
        for waker in wakers {
            waker.join().unwrap();
        }
        assert_eq!(runnable.load(Ordering::SeqCst), usize::from(slept));
    });
}

#[test]
fn what_happens_before_waking_is_seen_after() {
    model(|| {
        let parking = Arc::new(Parking::new());
        let flag = Arc::new(AtomicBool::new(false));
        let (others, seen) = (parking.clone(), flag.clone());
        let waker = thread::spawn(move || {
            seen.store(true, Ordering::Relaxed);
            let _ = others.wake();
        });
        if !parking.prepare() || !parking.settle() {
            assert!(flag.load(Ordering::Relaxed));
        }
        waker.join().unwrap();
    });
}

#[test]
fn a_mutex_lets_one_in_at_a_time() {
    model(|| {
        let mutex = Arc::new(Mutex::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let mutex = mutex.clone();
                thread::spawn(move || *mutex.lock() += 1)
            })
            .collect();
        *mutex.lock() += 1;
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*mutex.lock(), 3);
    });
}

#[test]
fn a_notification_is_not_lost() {
    model(|| {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let other = pair.clone();
        let thread = thread::spawn(move || {
            *other.0.lock() = true;
            other.1.notify_one();
        });
        let guard = pair.1.wait_while(pair.0.lock(), |ready| !*ready);
        assert!(*guard);
        drop(guard);
        thread.join().unwrap();
    });
}

#[test]
fn a_permit_is_not_lost() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let other = semaphore.clone();
        let thread = thread::spawn(move || other.release().unwrap());
        semaphore.acquire();
        thread.join().unwrap();
        assert_eq!(semaphore.available(), 0);
    });
}

#[test]
fn a_completion_is_seen() {
    model(|| {
        let completion = Arc::new(Completion::new());
        let other = completion.clone();
        let thread = thread::spawn(move || other.complete());
        completion.wait();
        thread.join().unwrap();
    });
}

#[test]
fn a_writer_gets_in_behind_readers() {
    model(|| {
        let lock = Arc::new(RwLock::new(0));
        let other = lock.clone();
        let writer = thread::spawn(move || *other.write() += 1);
        let before = *lock.read();
        writer.join().unwrap();
        assert!(before <= 1);
        assert_eq!(*lock.read(), 1);
    });
}

#[test]
fn a_permit_that_comes_at_the_deadline_is_taken_or_stays() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let other = semaphore.clone();
        let thread = thread::spawn(move || other.release().unwrap());
        let taken = semaphore.acquire_until(PASSED).is_ok();
        thread.join().unwrap();
        assert_eq!(semaphore.available(), u32::from(!taken));
    });
}

/// One gives up waiting for a mutex while another waits on: the wake-up doesn't go to the one that has left.
#[test]
fn a_mutex_outlives_those_who_give_up() {
    model(|| {
        let mutex = Arc::new(Mutex::new(0));
        let (hasty, patient) = (mutex.clone(), mutex.clone());
        let guard = mutex.lock();
        let hasty = thread::spawn(move || hasty.lock_until(PASSED).map(|mut guard| *guard += 1).is_ok());
        let patient = thread::spawn(move || *patient.lock() += 1);
        drop(guard);
        let got = hasty.join().unwrap();
        patient.join().unwrap();
        assert_eq!(*mutex.lock(), 1 + u32::from(got));
    });
}

/// A writer that gives up lets the readers in that stood behind it.
#[test]
fn readers_go_on_when_a_writer_gives_up() {
    model(|| {
        let lock = Arc::new(RwLock::new(0));
        let (writer, reader) = (lock.clone(), lock.clone());
        let reading = lock.read();
        let writer = thread::spawn(move || writer.write_until(PASSED).map(|mut guard| *guard += 1).is_ok());
        let reader = thread::spawn(move || *reader.read());
        let seen = reader.join().unwrap();
        drop(reading);
        let wrote = writer.join().unwrap();
        assert!(seen == 0 || wrote);
        assert_eq!(*lock.read(), u32::from(wrote));
    });
}

#[test]
fn a_notification_at_the_deadline_leaves_the_mutex_in_order() {
    model(|| {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let other = pair.clone();
        let thread = thread::spawn(move || {
            *other.0.lock() = true;
            other.1.notify_one();
        });
        let (guard, _) = pair.1.wait_until(pair.0.lock(), PASSED);
        drop(guard);
        thread.join().unwrap();
        assert!(*pair.0.lock());
    });
}

#[test]
fn a_barrier_lets_all_through_and_one_is_the_last() {
    model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let arrived = Arc::new(AtomicUsize::new(0));
        let (others, theirs) = (barrier.clone(), arrived.clone());
        let round = |barrier: &Barrier, arrived: &AtomicUsize, all: usize| {
            arrived.fetch_add(1, Ordering::Relaxed);
            let last = barrier.wait();
            assert!(arrived.load(Ordering::Relaxed) >= all);
            last
        };
        let thread = thread::spawn(move || [round(&others, &theirs, 2), round(&others, &theirs, 4)]);
        let here = [round(&barrier, &arrived, 2), round(&barrier, &arrived, 4)];
        let there = thread.join().unwrap();
        assert!(here[0] != there[0] && here[1] != there[1]);
    });
}

#[test]
fn once_is_once_and_seen_whole() {
    model(|| {
        let once = Arc::new(Once::new());
        let made = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|number| {
                let (once, made) = (once.clone(), made.clone());
                thread::spawn(move || {
                    *once.call_once(|| {
                        made.fetch_add(1, Ordering::Relaxed);
                        number
                    })
                })
            })
            .collect();
        let seen: Vec<i32> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(seen[0], seen[1]);
        assert_eq!((made.load(Ordering::Relaxed), once.get()), (1, Some(&seen[0])));
    });
}
