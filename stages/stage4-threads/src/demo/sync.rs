//! The demo `app=sync`: the ways to wait, under load from all vCPUs, and what waiting costs.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::smp;
use crate::sync::{Barrier, Completion, Condvar, Kind, LockError, Mutex, Once, RawMutex, RwLock, Semaphore, TimedOut};
use crate::thread::{self, Builder, JoinHandle};
use crate::time::{Nanoseconds, after, now};

/// Goes through all of them, `count=` rounds each.
pub(super) fn sync(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 200);
    waiters();
    deadlines();
    readers_and_writers(count);
    barrier(count);
    once(count);
    passing_on(count);
}

/// Threads that run `body` with their numbers, two a vCPU.
fn everywhere<T: Send + 'static>(body: impl Fn(u64) -> T + Clone + Send + 'static) -> Vec<T> {
    let count = 2 * smp::online().iter().count() as u64;
    let threads = (0..count).filter_map(|number| {
        let body = body.clone();
        Builder::new()
            .name("party")
            .spawn(move || body(number))
            .inspect_err(|error| println!("no thread: {error}"))
            .ok()
    });
    let threads: Vec<JoinHandle<T>> = threads.collect();
    threads.into_iter().map(JoinHandle::join).collect()
}

/// All that can be waited for.
struct Wanted {
    mutex: Mutex<()>,
    raw: RawMutex,
    shared: RwLock<()>,
    semaphore: Semaphore,
    completion: Completion,
    barrier: Barrier,
}

/// Has a thread hold all of it that can be held, until `run` is done.
fn while_held(run: impl FnOnce(&Arc<Wanted>)) {
    let wanted = Arc::new(Wanted {
        mutex: Mutex::new(()),
        raw: RawMutex::new(Kind::ErrorCheck),
        shared: RwLock::new(()),
        semaphore: Semaphore::new(0),
        completion: Completion::new(),
        barrier: Barrier::new(2),
    });
    let (held, enough) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
    let (theirs, holds, until) = (wanted.clone(), held.clone(), enough.clone());
    let holder = thread::spawn(move || {
        let me = thread::current().number();
        let _guards = (theirs.mutex.lock(), theirs.shared.write());
        let locked = theirs.raw.lock(me, None);
        holds.complete();
        until.wait();
        let _ = locked.and_then(|()| theirs.raw.unlock(me));
    });
    let Ok(holder) = holder else { return println!("no thread") };
    held.wait();
    run(&wanted);
    enough.complete();
    holder.join();
}

/// How long threads run that wait for a fifth of a second, for all kinds of things: at best of a few times, as on a busy machine
/// Xen may take the processor away in the middle of anything.
fn waiters() {
    const TIMES: usize = 3;
    let mut least = [Duration::MAX; WAITS];
    for _ in 0..TIMES {
        for (least, time) in least.iter_mut().zip(run_times()) {
            *least = time.min(*least);
        }
    }
    for ((what, _), time) in WAYS.iter().zip(least) {
        println!("a fifth of a second for the {what}: {} us", time.as_micros());
    }
}

const WAITS: usize = 7;
type Wait = fn(&Wanted);

const WAYS: [(&str, Wait); WAITS] = [
    ("mutex", |wanted| drop(wanted.mutex.lock())),
    ("raw mutex", |wanted| {
        let me = thread::current().number();
        let _ = wanted.raw.lock(me, None).and_then(|()| wanted.raw.unlock(me));
    }),
    ("reading", |wanted| drop(wanted.shared.read())),
    ("writing", |wanted| drop(wanted.shared.write())),
    ("semaphore", |wanted| wanted.semaphore.acquire()),
    ("completion", |wanted| wanted.completion.wait()),
    ("barrier", |wanted| {
        wanted.barrier.wait();
    }),
];

/// How long a thread runs for each of the ways to wait.
fn run_times() -> Vec<Duration> {
    const SPAN: Duration = Duration::from_millis(200);
    let mut waiting: Vec<JoinHandle<()>> = Vec::new();
    let mut times = Vec::new();
    while_held(|wanted| {
        waiting.extend(WAYS.iter().filter_map(|(what, wait)| {
            let wanted = wanted.clone();
            Builder::new().name(what).spawn(move || wait(&wanted)).ok()
        }));
        thread::sleep(SPAN);
        times.extend(waiting.iter().map(|thread| thread.thread().run_time()));
        let _ = wanted.semaphore.release();
        wanted.completion.complete();
        wanted.barrier.wait();
    });
    waiting.into_iter().for_each(JoinHandle::join);
    times
}

/// Waits in vain, for each that has a deadline: never early, and how late at worst.
fn deadlines() {
    const SPAN: Duration = Duration::from_millis(20);
    const TIMES: usize = 10;
    let (mutex, condition) = (Mutex::new(()), Condvar::new());
    let me = thread::current().number();
    while_held(|wanted| {
        let waits: [(&str, &dyn Fn(Nanoseconds) -> bool); 7] = [
            ("mutex", &|deadline| wanted.mutex.lock_until(deadline).is_err()),
            ("raw mutex", &|deadline| wanted.raw.lock(me, Some(deadline)) == Err(LockError::TimedOut)),
            ("reading", &|deadline| wanted.shared.read_until(deadline).is_err()),
            ("writing", &|deadline| wanted.shared.write_until(deadline).is_err()),
            ("semaphore", &|deadline| wanted.semaphore.acquire_until(deadline) == Err(TimedOut)),
            ("condition", &|deadline| condition.wait_until(mutex.lock(), deadline).1 == Err(TimedOut)),
            ("completion", &|deadline| wanted.completion.wait_until(deadline) == Err(TimedOut)),
        ];
        for (what, wait) in waits {
            let (mut early, mut in_vain, mut latest) = (0, 0, Duration::ZERO);
            for _ in 0..TIMES {
                let deadline = after(SPAN);
                in_vain += u32::from(wait(deadline));
                let end = now();
                early += u32::from(end < deadline);
                latest = latest.max(end.since(deadline));
            }
            let late = latest.as_micros();
            println!("deadline of the {what}: {in_vain} of {TIMES} passed, {early} early, at most {late} us late");
        }
    });
}

/// A pair of numbers whose sum is 0 whenever nobody writes.
fn readers_and_writers(count: u64) {
    let pair = Arc::new(RwLock::new((0_i64, 0_i64)));
    let shared = pair.clone();
    let torn: u64 = everywhere(move |number| {
        let mut torn = 0;
        for round in 0..count {
            if (number + round).is_multiple_of(4) {
                let mut pair = shared.write();
                pair.0 += 1;
                thread::yield_now();
                pair.1 -= 1;
            } else {
                let pair = shared.read();
                let first = pair.0;
                thread::yield_now();
                torn += u64::from(pair.0 + pair.1 != 0 || pair.0 != first);
            }
        }
        torn
    })
    .iter()
    .sum();
    let (written, _) = *pair.read();
    println!("readers and writers: {written} writes, {torn} torn");
}

/// Nobody is more than a round ahead of anybody.
fn barrier(count: u64) {
    let size = 2 * smp::online().iter().count() as u32;
    let shared = Arc::new((Barrier::new(size), AtomicU64::new(0)));
    let seen = everywhere(move |_| {
        let (barrier, arrived) = &*shared;
        let (mut last, mut ahead) = (0_u64, 0_u64);
        for round in 1..=count {
            arrived.fetch_add(1, Ordering::SeqCst);
            last += u64::from(barrier.wait());
            ahead += u64::from(arrived.load(Ordering::SeqCst) < round * u64::from(size));
        }
        (last, ahead)
    });
    let (last, ahead) = seen.iter().fold((0, 0), |(last, ahead), seen| (last + seen.0, ahead + seen.1));
    println!("barrier: {last} rounds ended, {ahead} times ahead");
}

/// Each of the values is made once, whoever comes first.
fn once(count: u64) {
    let values: Arc<Vec<Once<u64>>> = Arc::new((0..count).map(|_| Once::new()).collect());
    let made = Arc::new(AtomicU32::new(0));
    let making = made.clone();
    let sums = everywhere(move |_| {
        let make = || u64::from(making.fetch_add(1, Ordering::SeqCst));
        values.iter().map(|value| *value.call_once(make)).sum::<u64>()
    });
    let same = sums.windows(2).all(|pair| pair[0] == pair[1]);
    println!(
        "once: {} of {count} made, all saw {}",
        made.load(Ordering::SeqCst),
        if same { "the same" } else { "others" }
    );
}

/// Numbers that go from half of the threads to the others, under a mutex and two conditions, with room for four.
fn passing_on(count: u64) {
    struct Belt {
        items: Mutex<Vec<u64>>,
        more: Condvar,
        less: Condvar,
    }
    let belt = Arc::new(Belt { items: Mutex::new(Vec::with_capacity(4)), more: Condvar::new(), less: Condvar::new() });
    let sums: Vec<i64> = everywhere(move |number| {
        let mut sum = 0;
        for item in 0..count {
            if number.is_multiple_of(2) {
                let mut items = belt.less.wait_while(belt.items.lock(), |items| items.len() == 4);
                items.push(item);
                drop(items);
                belt.more.notify_one();
                sum += item as i64;
            } else {
                let mut items = belt.more.wait_while(belt.items.lock(), |items| items.is_empty());
                sum -= items.pop().unwrap_or(0) as i64;
                drop(items);
                belt.less.notify_one();
            }
        }
        sum
    });
    println!("passed on: the difference is {}", sums.iter().sum::<i64>());
}
