//! The models of tasks: what a worker and those who wake a task do, and futures on threads.

use core::future::poll_fn;
use core::task::{Poll, Waker};

use loom::sync::Arc;
use loom::thread;

use super::model;
use crate::executor::stage::Stage;
use crate::executor::{block_on, channel};
use crate::sync::Mutex;
use crate::sys::{AtomicBool, AtomicUsize, Lock, Ordering};

/// What a task waits for, and who wakes it: each waker has changed something before, and the last poll sees all of it.
#[test]
fn what_was_done_before_a_task_was_woken_is_seen_by_a_poll() {
    const WAKERS: usize = 2;
    model(|| {
        let stage = Arc::new(Stage::queued());
        let changes: Arc<[AtomicBool; WAKERS]> = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let queued = Arc::new(AtomicUsize::new(1));
        let wakers = [0, 1].map(|number| {
            let (stage, changes, queued) = (stage.clone(), changes.clone(), queued.clone());
            thread::spawn(move || {
                changes[number].store(true, Ordering::Relaxed);
                if stage.wake() {
                    queued.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let mut seen = poll_while_queued(&stage, &queued, &*changes);
        for waker in wakers {
            waker.join().unwrap();
        }
        // What the wakers have queued, but wasn't polled yet.
        seen = poll_while_queued(&stage, &queued, &*changes).max(seen);
        assert_eq!(seen, WAKERS, "nobody polls the task any more, and it has not seen everything");
        assert_eq!(queued.load(Ordering::Relaxed), 0, "queued twice");
    });
}

/// A worker: polls the task as long as it is in the queue, which is a number here. Returns how many changes the last poll saw.
fn poll_while_queued(stage: &Stage, queued: &AtomicUsize, changes: &[AtomicBool]) -> usize {
    let mut seen = 0;
    while queued.load(Ordering::Relaxed) > 0 {
        assert_eq!(queued.fetch_sub(1, Ordering::Relaxed), 1, "queued twice");
        stage.begin();
        seen = changes.iter().filter(|change| change.load(Ordering::Relaxed)).count();
        if stage.wait() {
            queued.fetch_add(1, Ordering::Relaxed);
        }
    }
    seen
}

/// Two that wait as one: the first has left its waker, and the second waits for a mutex in the middle of its poll, when the waker
/// is called. The wake-up belongs to the first.
#[test]
fn a_mutex_inside_of_a_poll_takes_no_wake_up_from_the_future() {
    model(|| {
        let mutex = Arc::new(Mutex::new(()));
        let left: Arc<Lock<Option<Waker>>> = Arc::new(Lock::new(None));
        let done = Arc::new(AtomicBool::new(false));
        let (other_mutex, other_left, other_done) = (mutex.clone(), left.clone(), done.clone());
        let thread = thread::spawn(move || {
            let guard = other_mutex.lock();
            other_done.store(true, Ordering::Release);
            let waker = other_left.lock().take();
            if let Some(waker) = waker {
                waker.wake();
            }
            drop(guard);
        });
        block_on(poll_fn(|context| {
            *left.lock() = Some(context.waker().clone());
            let ready = done.load(Ordering::Acquire);
            drop(mutex.lock());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        }));
        thread.join().unwrap();
    });
}

#[test]
fn what_goes_into_a_channel_comes_out() {
    model(|| {
        let (sender, mut receiver) = channel(1).unwrap();
        let thread = thread::spawn(move || {
            block_on(sender.send(1)).unwrap();
            block_on(sender.send(2)).unwrap();
        });
        let received = [(); 3].map(|()| block_on(receiver.receive()));
        thread.join().unwrap();
        assert_eq!(received, [Some(1), Some(2), None]);
    });
}

#[test]
fn a_sender_that_waits_for_room_hears_that_the_receiver_is_gone() {
    model(|| {
        let (sender, receiver) = channel(1).unwrap();
        sender.try_send(1).unwrap();
        let thread = thread::spawn(move || block_on(sender.send(2)).is_err());
        drop(receiver);
        assert!(thread.join().unwrap());
    });
}
