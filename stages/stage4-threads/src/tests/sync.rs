use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::vec::Vec;

use crate::sync::{Barrier, Completion, Condvar, Kind, LockError, Mutex, Once, RawMutex, RwLock, Semaphore, TimedOut};
use crate::time::after;
use crate::wait_queue::{WaitQueue, Waited};

fn threads(count: u32, run: impl Fn(u32) + Send + Sync + Clone + 'static) {
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let run = run.clone();
            std::thread::spawn(move || run(number))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_mutex_counts_right() {
    let count = Arc::new(Mutex::new(0));
    let counting = count.clone();
    threads(4, move |_| (0..5000).for_each(|_| *counting.lock() += 1));
    assert_eq!(*count.lock(), 20_000);
}

#[test]
fn waits_end_at_their_deadline() {
    let mutex = Arc::new(Mutex::new(()));
    let _guard = mutex.lock();
    let other = mutex.clone();
    std::thread::spawn(move || {
        let start = Instant::now();
        assert!(other.lock_until(after(Duration::from_millis(20))).is_err());
        assert!(start.elapsed() >= Duration::from_millis(20));
    })
    .join()
    .unwrap();
    assert_eq!(mutex.waiting(), 0);
    assert_eq!(Semaphore::new(0).acquire_until(after(Duration::from_millis(5))), Err(TimedOut));
    assert_eq!(Completion::new().wait_until(after(Duration::from_millis(5))), Err(TimedOut));
    let lock = RwLock::new(());
    let _reading = lock.read();
    assert!(lock.write_until(after(Duration::from_millis(5))).is_err());
    assert!(lock.try_read().is_some());
}

#[test]
fn the_queue_wakes_in_order() {
    let queue = Arc::new(WaitQueue::new());
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut sleepers = Vec::new();
    for number in 0..3 {
        let (queue, order) = (queue.clone(), order.clone());
        let before = number as usize;
        let sleeping = queue.clone();
        sleepers.push(std::thread::spawn(move || {
            assert_eq!(sleeping.wait(None, || true), Waited::Woken);
            order.lock().push(number);
        }));
        while queue.len() == before {
            std::thread::yield_now();
        }
    }
    for sleeper in sleepers {
        assert_eq!(queue.wake(1), 1);
        sleeper.join().unwrap();
    }
    assert_eq!(*order.lock(), [0, 1, 2]);
    assert_eq!(queue.wake(1), 0);
    assert_eq!(queue.wait(None, || false), Waited::Changed);
}

#[test]
fn a_condition_passes_items_on() {
    let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    let taking = shared.clone();
    let taker = std::thread::spawn(move || {
        let mut sum = 0;
        for _ in 0..1000 {
            let mut items = taking.1.wait_while(taking.0.lock(), |items| items.is_empty());
            sum += items.pop().unwrap();
        }
        sum
    });
    for item in 0..1000_u32 {
        shared.0.lock().push(item);
        shared.1.notify_one();
    }
    assert_eq!(taker.join().unwrap(), 999 * 1000 / 2);
}

#[test]
fn the_kinds_of_mutex_differ_where_a_thread_locks_twice() {
    let recursive = RawMutex::new(Kind::Recursive);
    assert_eq!(
        (recursive.lock(7, None), recursive.lock(7, None), recursive.try_lock(8)),
        (Ok(()), Ok(()), Err(LockError::Busy))
    );
    assert_eq!((recursive.unlock(8), recursive.unlock(7)), (Err(LockError::NotOwner(7)), Ok(())));
    assert_eq!(
        (recursive.try_lock(8), recursive.unlock(7), recursive.try_lock(8)),
        (Err(LockError::Busy), Ok(()), Ok(()))
    );
    let checked = RawMutex::new(Kind::ErrorCheck);
    assert_eq!((checked.lock(7, None), checked.lock(7, None)), (Ok(()), Err(LockError::Deadlock)));
    assert_eq!((checked.unlock(7), checked.unlock(7)), (Ok(()), Err(LockError::NotOwner(0))));
    let plain = RawMutex::new(Kind::Plain);
    assert_eq!(plain.lock(7, None), Ok(()));
    assert_eq!(plain.lock(7, Some(after(Duration::from_millis(1)))), Err(LockError::TimedOut));
}

#[test]
fn a_barrier_holds_back_until_all_have_come() {
    let barrier = Arc::new(Barrier::new(4));
    let arrived = Arc::new(AtomicU32::new(0));
    let last = Arc::new(AtomicU32::new(0));
    let counting = (barrier, arrived, last.clone());
    threads(4, move |_| {
        for round in 1..=50 {
            counting.1.fetch_add(1, Ordering::SeqCst);
            if counting.0.wait() {
                counting.2.fetch_add(1, Ordering::SeqCst);
            }
            assert!(counting.1.load(Ordering::SeqCst) >= 4 * round);
            counting.0.wait();
        }
    });
    assert_eq!(last.load(Ordering::SeqCst), 50);
}

#[test]
fn once_is_once() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let once = Arc::new(Once::new());
    let making = once.clone();
    threads(4, move |_| {
        assert_eq!(*making.call_once(|| MADE.fetch_add(1, Ordering::SeqCst) + 41), 41);
    });
    assert_eq!((MADE.load(Ordering::SeqCst), once.get()), (1, Some(&41)));
}

#[test]
fn readers_share_and_writers_do_not() {
    let lock = Arc::new(RwLock::new((0, 0)));
    let shared = lock.clone();
    threads(6, move |number| {
        for _ in 0..1000 {
            if number < 2 {
                let mut pair = shared.write();
                pair.0 += 1;
                pair.1 -= 1;
            } else {
                let pair = shared.read();
                assert_eq!(pair.0, -pair.1);
            }
        }
    });
    assert_eq!(*lock.read(), (2000, -2000));
    assert!(lock.try_write().is_some());
}

#[test]
fn permits_are_counted() {
    let semaphore = Arc::new(Semaphore::new(2));
    let inside = Arc::new(AtomicU32::new(0));
    let shared = semaphore.clone();
    threads(5, move |_| {
        for _ in 0..200 {
            shared.acquire();
            assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
            inside.fetch_sub(1, Ordering::SeqCst);
            shared.release().unwrap();
        }
    });
    assert_eq!(semaphore.available(), 2);
    assert!(Semaphore::new(u32::MAX).release().is_err());
}

#[test]
#[should_panic(expected = "lock order")]
fn a_circle_of_locks_is_found_before_it_closes() {
    let one = Mutex::new(());
    let other = Mutex::new(());
    {
        let _one = one.lock();
        let _other = other.lock();
    }
    let _other = other.lock();
    let _one = one.lock();
}

/// Three locks of three kinds, each wanted while the one before is held; nowhere two of them the other way round.
#[test]
#[should_panic(expected = "lock order")]
fn a_circle_may_go_through_locks_of_all_kinds() {
    let (mutex, shared, raw) = (Mutex::new(()), RwLock::new(()), RawMutex::new(Kind::Plain));
    {
        let _mutex = mutex.lock();
        drop(shared.read());
    }
    {
        let _shared = shared.write();
        raw.lock(1, None).unwrap();
        raw.unlock(1).unwrap();
    }
    raw.lock(1, None).unwrap();
    drop(mutex.lock());
}

#[test]
fn a_lock_that_was_given_back_is_before_nothing() {
    let (shared, raw) = (RwLock::new(()), RawMutex::new(Kind::Recursive));
    drop((shared.read(), shared.try_read()));
    for _ in 0..2 {
        raw.lock(1, None).unwrap();
        raw.lock(1, None).unwrap();
        raw.unlock(1).unwrap();
        raw.unlock(1).unwrap();
        drop(shared.write());
    }
    raw.lock(1, None).unwrap();
    drop(shared.read());
    raw.unlock(1).unwrap();
}
