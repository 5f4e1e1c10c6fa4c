//! loom's models: every order in which a few threads could run, of which each must end well.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p stage4-threads --release --lib --features reference`

use loom::sync::Arc;
use loom::thread;
use std::vec::Vec;

use crate::park::Parking;
use crate::sync::{Completion, Condvar, Mutex, RwLock, Semaphore};
use crate::sys::{AtomicBool, AtomicUsize, Ordering};

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
