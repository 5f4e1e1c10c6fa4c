//! What stage 4 has to measure: switches, hand-overs and wake-ups.
//!
//! The measuring thread and its partner are on one vCPU, so that nothing but the way from one to the other is in a figure;
//! for a wake-up across vCPUs, on two. Invariant: partners have ended, and the measuring thread is as it was before.

use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::Poll;
use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::bench::{Bencher, Benchmark, SAMPLES, ticks};

use crate::cpu_set::CpuSet;
use crate::executor;
use crate::scheduler::{set_slice, slice};
use crate::sync::{Mutex, Semaphore};
use crate::thread::{self, Builder, JoinHandle};

pub(crate) const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "thread-switch", run: |bencher| on(0, || switch(bencher)) },
    Benchmark { name: "thread-switch-preemptive", run: |bencher| on(0, || preemption(bencher)) },
    Benchmark { name: "thread-hand-over", run: |bencher| on(0, || hand_over(bencher)) },
    Benchmark { name: "mutex-lock-unlock", run: mutex_free },
    Benchmark { name: "mutex-hand-over", run: |bencher| on(0, || mutex_hand_over(bencher)) },
    Benchmark { name: "thread-spawn-join", run: spawn_join },
    Benchmark { name: "task-wake", run: task_wake },
];

/// For guests with at least two vCPUs.
pub(crate) const ACROSS: &[Benchmark] = &[Benchmark { name: "ipi-wake", run: |bencher| on(0, || ipi_wake(bencher)) }];

/// For guests with at least [`MANY`] vCPUs.
pub(crate) const OF_MANY: &[Benchmark] = &[
    Benchmark { name: "work-alone", run: |bencher| work(bencher, 1) },
    Benchmark { name: "work-of-4", run: |bencher| work(bencher, MANY) },
];
/// vCPUs that work at the same time.
pub(crate) const MANY: u32 = 4;

/// When something began, in ticks, for whoever sees its end.
static BEGAN: AtomicU64 = AtomicU64::new(0);
/// What its end saw.
static TOOK: AtomicU64 = AtomicU64::new(0);

fn begin() {
    BEGAN.store(ticks(), Ordering::Relaxed);
}

fn took() -> u64 {
    ticks().saturating_sub(BEGAN.load(Ordering::Relaxed))
}

/// Keeps this thread on one vCPU meanwhile.
fn on(cpu: u32, run: impl FnOnce()) {
    let me = thread::current();
    let before = me.affinity();
    me.set_affinity(CpuSet::one(cpu));
    run();
    me.set_affinity(before);
}

/// A thread on a vCPU.
fn partner(cpu: u32, run: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    Builder::new().name("partner").affinity(CpuSet::one(cpu)).spawn(run).ok()
}

/// From one thread's yield to the other's return from its own.
fn switch(bencher: &mut Bencher) {
    let Some(other) = partner(0, || {
        for _ in 0..=SAMPLES {
            begin();
            thread::yield_now();
        }
    }) else {
        return;
    };
    thread::yield_now();
    while bencher.wants_more() && !other.is_finished() {
        thread::yield_now();
        bencher.sample(took());
    }
    other.join();
}

/// From the last instruction of a thread whose slice is over to the first of the next. Both always run.
fn preemption(bencher: &mut Bencher) {
    static DONE: AtomicBool = AtomicBool::new(false);
    let before = slice();
    set_slice(Duration::from_millis(1));
    DONE.store(false, Ordering::Relaxed);
    let other = partner(0, || {
        while !DONE.load(Ordering::Relaxed) {
            begin();
        }
    });
    if let Some(other) = other {
        let mut last = BEGAN.load(Ordering::Relaxed);
        while bencher.wants_more() {
            // Another value means that the other has run.
            let began = BEGAN.load(Ordering::Relaxed);
            if began != last {
                bencher.sample(ticks().saturating_sub(began));
            }
            last = began;
        }
        DONE.store(true, Ordering::Relaxed);
        other.join();
    }
    set_slice(before);
}

/// A turn goes to and fro: half of the way there and back.
fn hand_over(bencher: &mut Bencher) {
    let turns = Arc::new((Semaphore::new(0), Semaphore::new(0)));
    let theirs = turns.clone();
    let other = partner(0, move || {
        for _ in 0..SAMPLES {
            theirs.0.acquire();
            let _ = theirs.1.release();
        }
    });
    let Some(other) = other else { return };
    while bencher.wants_more() {
        let from = ticks();
        let _ = turns.0.release();
        turns.1.acquire();
        bencher.sample(ticks().wrapping_sub(from) / 2);
    }
    other.join();
}

/// A mutex that nobody else wants.
fn mutex_free(bencher: &mut Bencher) {
    let mutex = Mutex::new(0);
    bencher.iter(|| drop(mutex.lock()));
}

/// From giving up a mutex to having it, in a thread that waits for it.
fn mutex_hand_over(bencher: &mut Bencher) {
    let shared = Arc::new((Mutex::new(()), Semaphore::new(0), Semaphore::new(0)));
    let theirs = shared.clone();
    let other = partner(0, move || {
        let (mutex, start, done) = &*theirs;
        for _ in 0..SAMPLES {
            start.acquire();
            let guard = mutex.lock();
            TOOK.store(took(), Ordering::Relaxed);
            drop(guard);
            let _ = done.release();
        }
    });
    let Some(other) = other else { return };
    let (mutex, start, done) = &*shared;
    while bencher.wants_more() {
        let guard = mutex.lock();
        let _ = start.release();
        while mutex.waiting() == 0 {
            thread::yield_now();
        }
        begin();
        drop(guard);
        done.acquire();
        bencher.sample(TOOK.load(Ordering::Relaxed));
    }
    other.join();
}

/// A thread that does nothing, from its beginning to its end.
fn spawn_join(bencher: &mut Bencher) {
    bencher.iter(|| thread::spawn(|| ()).map(JoinHandle::join));
}

/// From waking a task to its being polled again.
fn task_wake(bencher: &mut Bencher) {
    let task = executor::spawn(async {
        let mut samples = [0; SAMPLES];
        for sample in &mut samples {
            let mut woken = false;
            poll_fn(|context| {
                if woken {
                    *sample = took();
                    return Poll::Ready(());
                }
                woken = true;
                begin();
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
        samples
    });
    let Ok(task) = task else { return };
    task.join().iter().for_each(|sample| bencher.sample(*sample));
}

/// From waking a thread on another vCPU, which sleeps, to its first instruction.
///
/// A sample is the middle one of some turns. Where instructions are counted the machine's processors take turns, and once in a
/// while the other's turn comes early: then part of what this vCPU does until it sleeps isn't in between.
fn ipi_wake(bencher: &mut Bencher) {
    const FEW: usize = 15;
    let turns = Arc::new((Semaphore::new(0), Semaphore::new(0)));
    let theirs = turns.clone();
    let other = partner(1, move || {
        for _ in 0..SAMPLES * FEW {
            theirs.0.acquire();
            TOOK.store(took(), Ordering::Relaxed);
            let _ = theirs.1.release();
        }
    });
    let Some(other) = other else { return };
    while bencher.wants_more() {
        let mut took = [0; FEW];
        for took in &mut took {
            // Until it sleeps, and its vCPU too.
            thread::sleep(Duration::from_millis(1));
            begin();
            let _ = turns.0.release();
            turns.1.acquire();
            *took = TOOK.load(Ordering::Relaxed);
        }
        took.sort_unstable();
        bencher.sample(took[FEW / 2]);
    }
    other.join();
}

/// A piece of work, where so many threads do one each, on a vCPU of their own: the time until all are done, by their number.
fn work(bencher: &mut Bencher, threads: u32) {
    /// Turns of a loop: long against what it takes to begin a thread.
    const TURNS: u64 = 20_000_000;
    /// It takes long, and is no matter of luck.
    const TIMES: usize = 10;
    let turn = || (0..TURNS).for_each(|turn| _ = core::hint::black_box(turn));
    for _ in 0..TIMES {
        let from = ticks();
        let others: Vec<_> = (0..threads).map(|cpu| partner(cpu, turn)).collect();
        if others.iter().any(Option::is_none) {
            return;
        }
        others.into_iter().flatten().for_each(JoinHandle::join);
        bencher.sample(ticks().saturating_sub(from) / u64::from(threads));
    }
}
