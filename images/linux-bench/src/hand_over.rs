//! What two threads do with each other: each hand-over is a wake-up, a wait, and a switch.

use super::{SAMPLES, repeat, ticks};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A turn goes to and fro by `futex`, which is what `park` and every lock of a program wait in: half a round trip.
pub fn futex() -> Option<Vec<u64>> {
    static THEIR_TURN: AtomicBool = AtomicBool::new(false);
    let me = thread::current();
    let other = thread::spawn(move || {
        for _ in 0..SAMPLES {
            wait_for(true);
            THEIR_TURN.store(false, Ordering::Release);
            me.unpark();
        }
    });
    let samples = repeat(|| {
        THEIR_TURN.store(true, Ordering::Release);
        other.thread().unpark();
        wait_for(false);
    });
    fn wait_for(theirs: bool) {
        while THEIR_TURN.load(Ordering::Acquire) != theirs {
            thread::park();
        }
    }
    other.join().ok()?;
    Some(halves(samples))
}

/// A byte goes to and fro through two pipes: half a round trip.
pub fn pipe() -> Option<Vec<u64>> {
    let (mut their_end, mut to_them) = std::io::pipe().ok()?;
    let (mut my_end, mut to_me) = std::io::pipe().ok()?;
    let pass = |from: &mut PipeReader, to: &mut PipeWriter| {
        let mut byte = [0];
        from.read_exact(&mut byte).and_then(|()| to.write_all(&byte)).is_ok()
    };
    let other = thread::spawn(move || (0..SAMPLES).all(|_| pass(&mut their_end, &mut to_me)));
    let mut all_well = true;
    let samples = repeat(|| {
        let mut byte = [1];
        all_well &= to_them.write_all(&byte).and_then(|()| my_end.read_exact(&mut byte)).is_ok();
    });
    drop(to_them);
    (other.join().ok()? && all_well).then(|| halves(samples))
}

/// A thread that does nothing, from its beginning to its end.
pub fn spawn_join() -> Option<Vec<u64>> {
    let sample = |_| {
        let begin = ticks();
        thread::Builder::new().spawn(|| ()).ok()?.join().ok()?;
        Some(ticks() - begin)
    };
    (0..SAMPLES).map(sample).collect()
}

/// From the last moment of a thread whose slice is over to the first of the next. Both always run.
pub fn preemption() -> Option<Vec<u64>> {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    static DONE: AtomicBool = AtomicBool::new(false);
    let other = thread::spawn(|| {
        while !DONE.load(Ordering::Relaxed) {
            SEEN.store(ticks(), Ordering::Relaxed);
        }
    });
    let mut last = SEEN.load(Ordering::Relaxed);
    let mut samples = Vec::with_capacity(SAMPLES);
    while samples.len() < SAMPLES {
        // Another value means that the other has run.
        let seen = SEEN.load(Ordering::Relaxed);
        if seen != last {
            samples.push(ticks().saturating_sub(seen));
        }
        last = seen;
    }
    DONE.store(true, Ordering::Relaxed);
    other.join().ok()?;
    Some(samples)
}

/// From waking a thread that sleeps on another vCPU to its first instruction.
pub fn across() -> Option<Vec<u64>> {
    static BEGAN: AtomicU64 = AtomicU64::new(0);
    static CAME: AtomicU64 = AtomicU64::new(0);
    stay_on(0)?;
    let other = thread::spawn(|| {
        stay_on(1)?;
        for _ in 0..SAMPLES {
            while BEGAN.load(Ordering::Acquire) == 0 {
                thread::park();
            }
            CAME.store(ticks(), Ordering::Relaxed);
            BEGAN.store(0, Ordering::Release);
        }
        Some(())
    });
    let sample = |_| {
        // Until it sleeps, and its vCPU too.
        thread::sleep(Duration::from_millis(1));
        let begin = ticks();
        BEGAN.store(begin, Ordering::Release);
        other.thread().unpark();
        while BEGAN.load(Ordering::Acquire) != 0 {
            thread::yield_now();
        }
        CAME.load(Ordering::Relaxed).saturating_sub(begin)
    };
    let samples = (0..SAMPLES).map(sample).collect();
    other.join().ok()??;
    Some(samples)
}

/// Keeps the thread that asks for it on one vCPU.
fn stay_on(cpu: usize) -> Option<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    sched_setaffinity(None, &cpus).ok()
}

fn halves(samples: Vec<u64>) -> Vec<u64> {
    samples.into_iter().map(|sample| sample / 2).collect()
}
