//! Who is let in, in which order, and what keeps the gate shut.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::boxed::Box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use crate::error::Reason;
use crate::gate::{Gate, Passage};

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Result = core::result::Result<Passage, Reason>;

/// Somebody at the gate.
struct Writer<'a> {
    woken: Arc<Woken>,
    pass: Pin<Box<dyn Future<Output = Result> + 'a>>,
}

impl<'a> Writer<'a> {
    fn new(gate: &'a Gate, alone: bool) -> Self {
        Self { woken: Arc::default(), pass: Box::pin(gate.pass(alone)) }
    }

    fn poll(&mut self) -> Poll<Result> {
        let waker = Waker::from(self.woken.clone());
        self.pass.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Asks, and has to wait.
    fn waits(gate: &'a Gate, alone: bool) -> Self {
        let mut writer = Self::new(gate, alone);
        assert!(writer.poll().is_pending());
        writer
    }

    /// Was woken, and is let in.
    fn goes_in(mut self) -> Passage {
        assert!(self.woken.0.load(Ordering::SeqCst) > 0, "nobody has woken it");
        match self.poll() {
            Poll::Ready(Ok(passage)) => passage,
            Poll::Ready(Err(error)) => panic!("turned away: {error}"),
            Poll::Pending => panic!("it has to wait"),
        }
    }
}

/// Asks, and is let in at once.
fn enter(gate: &Gate, alone: bool) -> Passage {
    match Writer::new(gate, alone).poll() {
        Poll::Ready(Ok(passage)) => passage,
        _ => panic!("it is not let in"),
    }
}

#[test]
fn those_who_share_come_together_and_one_alone_waits_for_all() {
    let gate = Gate::default();
    let (one, other) = (enter(&gate, false), enter(&gate, false));
    let mut alone = Writer::waits(&gate, true);
    drop(one);
    assert!(alone.poll().is_pending());
    drop(other);
    let alone = alone.goes_in();
    let sharing = Writer::waits(&gate, false);
    drop(alone);
    sharing.goes_in();
}

#[test]
fn one_who_wants_it_alone_is_not_overtaken() {
    let gate = Gate::default();
    let first = enter(&gate, false);
    let alone = Writer::waits(&gate, true);
    // It could share, but has come later.
    let (mut one, mut other) = (Writer::waits(&gate, false), Writer::waits(&gate, false));
    drop(first);
    assert!(one.poll().is_pending() && other.poll().is_pending(), "it has overtaken");
    drop(alone.goes_in());
    // Each wakes the next one that may come along.
    let one = one.goes_in();
    let other = other.goes_in();
    drop((one, other));
    assert_eq!(gate.waiting(), 0);
}

#[test]
fn a_writer_that_gives_up_waiting_is_in_nobodys_way() {
    let gate = Gate::default();
    let first = enter(&gate, false);
    let alone = Writer::waits(&gate, true);
    let sharing = Writer::waits(&gate, false);
    drop(alone);
    let second = sharing.goes_in();
    drop((first, second));
    enter(&gate, true);
}

#[test]
fn requests_of_one_who_has_gone_keep_the_gate_shut() {
    for alone in [false, true] {
        let gate = Gate::default();
        let passage = enter(&gate, alone);
        let (first, second) = (passage.hold(), passage.hold());
        drop(passage);
        let (mut one, mut other) = (Writer::waits(&gate, false), Writer::waits(&gate, true));
        drop(first);
        assert!(one.poll().is_pending() && other.poll().is_pending());
        drop(second);
        drop(one.goes_in());
        other.goes_in();
    }
}

#[test]
fn requests_that_end_first_change_nothing() {
    let gate = Gate::default();
    let passage = enter(&gate, true);
    drop(passage.hold());
    let mut sharing = Writer::waits(&gate, false);
    assert!(sharing.poll().is_pending());
    drop(passage);
    sharing.goes_in();
}

#[test]
fn nobody_waits_for_what_is_not_answered() {
    let gate = Gate::default();
    let passage = enter(&gate, false);
    let hold = passage.hold();
    let mut one = Writer::waits(&gate, true);
    gate.turn_away(); // nobody has gone: it may wait
    assert!(one.poll().is_pending());
    drop(passage);
    let mut other = Writer::waits(&gate, false);
    gate.turn_away();
    for writer in [&mut one, &mut other] {
        assert!(writer.woken.0.load(Ordering::SeqCst) > 0, "nobody has woken it");
        assert!(matches!(writer.poll(), Poll::Ready(Err(Reason::TimedOut))));
    }
    // Whoever comes now may be lucky.
    let later = Writer::waits(&gate, true);
    drop(hold);
    later.goes_in();
}
