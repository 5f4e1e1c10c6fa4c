//! What stage 3 has to measure: events, the clock, timers.
//!
//! Invariant: each closes the ports and cancels the timers that it opens and sets.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use console::bench::{Bencher, Benchmark, ticks};

use crate::clock::{self, Nanoseconds};
use crate::{idle, port, timer};

pub(crate) const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "event-loopback", run: loopback },
    Benchmark { name: "event-round-trip", run: round_trip },
    Benchmark { name: "clock-read", run: |bencher| bencher.iter(clock::now) },
    Benchmark { name: "timer-set-cancel", run: set_and_cancel },
    Benchmark { name: "timer-late", run: lateness },
];

/// When the last handler ran.
static SEEN: AtomicU64 = AtomicU64::new(0);

fn note(_: usize) {
    SEEN.store(ticks(), Ordering::Relaxed);
}

/// From the send to the handler.
fn loopback(bencher: &mut Bencher) {
    let Ok(binding) = port::bind_ipi(0, note, 0) else { return };
    while bencher.wants_more() {
        let begin = ticks();
        let sent = binding.notify();
        let came = SEEN.load(Ordering::Relaxed).wrapping_sub(begin);
        if sent.is_err() {
            return;
        }
        bencher.sample(came);
    }
}

/// From the send until what was interrupted goes on.
fn round_trip(bencher: &mut Bencher) {
    if let Ok(binding) = port::bind_ipi(0, |_| {}, 0) {
        bencher.iter(|| binding.notify());
    }
}

fn set_and_cancel(bencher: &mut Bencher) {
    let far = clock::now().after(Duration::from_secs(3600));
    // One that is earlier than the others, so that Xen's timer stays as it is.
    let Ok(_first) = timer::set(clock::now().after(Duration::from_secs(1800)), |_| {}, 0) else { return };
    bencher.iter(|| timer::set(far, |_| {}, 0).is_ok());
}

/// By how much a function is called behind its time.
fn lateness(bencher: &mut Bencher) {
    /// Enough of these for a least one; more would take long.
    const SAMPLES: usize = 30;
    static AT: AtomicU64 = AtomicU64::new(0);
    fn fired(_: usize) {
        note(0);
        AT.store(clock::now().0, Ordering::Relaxed);
    }
    for _ in 0..SAMPLES {
        let (begin, now) = (ticks(), clock::now());
        let deadline = now.after(Duration::from_millis(1));
        AT.store(0, Ordering::Relaxed);
        let Ok(_timer) = timer::set(deadline, fired, 0) else { return };
        idle::wait_until(&mut || AT.load(Ordering::Relaxed) != 0);
        let at = Nanoseconds(AT.load(Ordering::Relaxed));
        let (late, all) = (at.since(deadline).as_nanos(), at.since(now).as_nanos());
        let passed = u128::from(SEEN.load(Ordering::Relaxed).wrapping_sub(begin));
        // The clock's nanoseconds as ticks, at the rate of this very wait.
        bencher.sample((late * passed / all.max(1)) as u64);
    }
}
