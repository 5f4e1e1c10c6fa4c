//! What stage 3 has to measure: the clock, events, timers.
//!
//! Invariant: ports and timers are closed again. Threads may be moved to another vCPU than the one that takes the event, so
//! it is waited for as stage 4 does it, where there is a stage 4.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use console::bench::{Bencher, Benchmark, ticks};
use console::idle;
use console::types::Domid;

use crate::clock::{self, Nanoseconds};
use crate::{port, timer};

pub(crate) const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "clock-read", run: |bencher| bencher.iter(clock::now) },
    Benchmark { name: "event-loop-back", run: event },
    Benchmark { name: "timer-set-cancel", run: timer_set_cancel },
    Benchmark { name: "timer-lateness", run: timer_lateness },
];

/// When the handler ran, in ticks; 0 until then.
static CAME: AtomicU64 = AtomicU64::new(0);

fn came() -> bool {
    CAME.load(Ordering::Relaxed) != 0
}

/// From sending an event to ourselves to the first line of its handler.
fn event(bencher: &mut Bencher) {
    let handler = |_| CAME.store(ticks(), Ordering::Relaxed);
    let Ok(theirs) = port::allocate_unbound(Domid::SELF, handler, 0) else { return };
    let Ok(ours) = port::bind_interdomain(Domid::SELF, theirs.port(), |_| {}, 0) else { return };
    while bencher.wants_more() {
        CAME.store(0, Ordering::Relaxed);
        let begin = ticks();
        if ours.notify().is_err() {
            return;
        }
        idle::wait_until(came);
        bencher.sample(CAME.load(Ordering::Relaxed).wrapping_sub(begin));
    }
}

/// A timer that is set and never fires.
fn timer_set_cancel(bencher: &mut Bencher) {
    let far = clock::now().after(Duration::from_secs(3600));
    bencher.iter(|| timer::set(far, |_| {}, 0).map(drop));
}

/// How much later than its time a timer's function begins, where nothing else is to be done.
fn timer_lateness(bencher: &mut Bencher) {
    const AHEAD: Duration = Duration::from_millis(1);
    static AT: AtomicU64 = AtomicU64::new(0);
    let callback = |_| {
        AT.store(clock::now().0, Ordering::Relaxed);
        CAME.store(ticks(), Ordering::Relaxed);
    };
    let (begin, begin_ticks) = (clock::now(), ticks());
    while bencher.wants_more() {
        CAME.store(0, Ordering::Relaxed);
        let deadline = clock::now().after(AHEAD);
        let Ok(_timer) = timer::set(deadline, callback, 0) else { return };
        idle::wait_until(came);
        let late = Nanoseconds(AT.load(Ordering::Relaxed)).since(deadline);
        // The rate of the counter, from all the time that has passed so far.
        let passed = clock::now().since(begin).as_nanos().max(1);
        let rated = late.as_nanos() * u128::from(ticks().wrapping_sub(begin_ticks)) / passed;
        bencher.sample(rated as u64);
    }
}
