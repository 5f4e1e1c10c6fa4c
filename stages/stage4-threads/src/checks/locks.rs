//! Checks of exercise 4c: the functions of `sync::words`, with sleepers of whom nobody sleeps.

use core::cell::Cell;

use console::bedrock::{Record, Reporter};
use fastrand::Rng;
use threads::sync::{self, CONTENDED, FREE, LOCKED, Sleepers, TimedOut};
use threads::sys::{AtomicU32, Ordering};
use threads::time::Nanoseconds;
use threads::wait_queue::Waited;

/// Runs the checks of this exercise that need no threads.
pub fn run(reporter: &Reporter) {
    reporter.check("4c.free", free);
    reporter.check("4c.contended", contended);
    reporter.check("4c.deadline", deadline);
    reporter.check("4c.condition", condition);
}

/// More sleeps than this are one without an end.
const MOST: u32 = 40;

/// What happens while a caller sleeps, and what was seen of the calls.
struct Script<'a> {
    /// How many sleeps end without a change, as if somebody had been quicker.
    futile: u32,
    /// What the word becomes before the last sleep begins: it doesn't then.
    before: Option<u32>,
    /// What the word becomes during the last sleep.
    then: u32,
    /// How that sleep ends.
    end: Waited,
    /// A word that is looked at when a sleep begins, and counted up when somebody is woken.
    other: Option<&'a AtomicU32>,
    waits: Cell<u32>,
    /// How many waits were for a word that had the expected value, and expected this.
    expected: Cell<u32>,
    /// What `other` was when the last sleep began.
    seen: Cell<u32>,
    deadlines: Cell<u32>,
    wakes: Cell<u32>,
    woken: Cell<u64>,
}

impl<'a> Script<'a> {
    fn new(futile: u32, then: u32, end: Waited) -> Self {
        Self {
            futile,
            before: None,
            then,
            end,
            other: None,
            waits: Cell::new(0),
            expected: Cell::new(0),
            seen: Cell::new(9),
            deadlines: Cell::new(0),
            wakes: Cell::new(0),
            woken: Cell::new(0),
        }
    }

    /// Sleepers of which nobody should hear.
    fn none() -> Self {
        Self::new(0, FREE, Waited::Woken)
    }
}

impl Sleepers for Script<'_> {
    fn wait(&self, word: &AtomicU32, expected: u32, deadline: Option<Nanoseconds>) -> Waited {
        self.waits.set(self.waits.get() + 1);
        assert!(self.waits.get() < MOST, "a lock is slept for more than {MOST} times");
        self.deadlines.set(self.deadlines.get() + u32::from(deadline.is_some()));
        if let Some(other) = self.other {
            self.seen.set(other.load(Ordering::Relaxed));
        }
        let last = self.waits.get() > self.futile;
        if let Some(before) = self.before.filter(|_| last) {
            word.store(before, Ordering::Relaxed);
        }
        if word.load(Ordering::Relaxed) != expected {
            return Waited::Changed;
        }
        self.expected.set(self.expected.get() + 1);
        if !last {
            return Waited::Woken;
        }
        word.store(self.then, Ordering::Relaxed);
        self.end
    }

    fn wake(&self, most: usize) {
        self.wakes.set(self.wakes.get() + 1);
        self.woken.set(self.woken.get() + most as u64);
        if let Some(other) = self.other {
            self.seen.set(other.load(Ordering::Relaxed));
            other.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn plain(result: Result<(), TimedOut>) -> &'static str {
    if result.is_ok() { "taken" } else { "timed_out" }
}

/// A lock that nobody else wants.
///
/// Draws: `times = rng.u32(1..=8)`. So often it is locked, tried, unlocked, tried, tried and unlocked.
/// Records at the end: `words`, the sum of the word after each of these six; `tries`, how many of the three tries took it; `waits`,
/// `wakes`.
fn free(rng: &mut Rng, record: &Record) {
    let times = rng.u32(1..=8);
    let (word, script) = (AtomicU32::new(FREE), Script::none());
    let mut words = 0;
    let mut tries = 0;
    for _ in 0..times {
        let _ = sync::lock(&word, &script, None);
        words += word.load(Ordering::Relaxed);
        tries += u32::from(sync::try_lock(&word));
        words += word.load(Ordering::Relaxed);
        sync::unlock(&word, &script);
        words += word.load(Ordering::Relaxed);
        tries += u32::from(sync::try_lock(&word));
        words += word.load(Ordering::Relaxed);
        tries += u32::from(sync::try_lock(&word));
        words += word.load(Ordering::Relaxed);
        sync::unlock(&word, &script);
        words += word.load(Ordering::Relaxed);
    }
    let (waits, wakes) = (script.waits.get(), script.wakes.get());
    record.saw(format_args!("words={words} tries={tries} waits={waits} wakes={wakes}"));
}

/// A lock that another thread has.
///
/// Draws: `futile = rng.u32(..6)`, how often the caller is woken in vain.
/// `case=woken`: then it is free. `case=changed`: it becomes free before the last sleep begins.
/// Records for each: `result`, `word`, `waits`, `asleep` (how many waits began); then, after an unlock, `after`, the word, `wakes`, and
/// `woken`.
fn contended(rng: &mut Rng, record: &Record) {
    let futile = rng.u32(..6);
    for (case, before) in [("woken", None), ("changed", Some(FREE))] {
        let word = AtomicU32::new(LOCKED);
        let script = Script { before, ..Script::new(futile, FREE, Waited::Woken) };
        let result = plain(sync::lock(&word, &script, None));
        let held = word.load(Ordering::Relaxed);
        let (waits, asleep) = (script.waits.get(), script.expected.get());
        sync::unlock(&word, &script);
        let after = word.load(Ordering::Relaxed);
        let (wakes, woken) = (script.wakes.get(), script.woken.get());
        record.saw(format_args!(
            "case={case} result={result} word={held} waits={waits} asleep={asleep} after={after} wakes={wakes} woken={woken}"
        ));
    }
}

/// A lock that doesn't become free in time.
///
/// Draws: `futile = rng.u32(..6)`.
/// Records: `result`, `word`, `waits`, `deadlines` (how many of the waits had one), `wakes`.
fn deadline(rng: &mut Rng, record: &Record) {
    let futile = rng.u32(..6);
    let (word, script) = (AtomicU32::new(LOCKED), Script::new(futile, CONTENDED, Waited::TimedOut));
    let result = plain(sync::lock(&word, &script, Some(Nanoseconds(1))));
    let (word, waits) = (word.load(Ordering::Relaxed), script.waits.get());
    let (deadlines, wakes) = (script.deadlines.get(), script.wakes.get());
    record.saw(format_args!("result={result} word={word} waits={waits} deadlines={deadlines} wakes={wakes}"));
}

/// A condition, waited for with the lock held.
///
/// Draws: `count = rng.u32(..)`, the condition's word at first; `most = rng.usize(1..=9)`.
/// `case=early`: the lock is contended, and while its sleeper is woken the condition is notified: no sleep begins. `case=during`: the
/// sleep ends with a notification. `case=never`: it ends at the deadline. `case=taken`: another has the lock when the sleep ends.
/// Records for each: `result`; `asleep`, how many sleeps for the condition began; `unlocked`, the lock's word when the wait began;
/// `word`, not 0 at the end; `deadlines`, how many waits for the lock had one.
/// `case=notify`: `condition`, the word afterwards; `wakes`, `woken`; `seen`, the condition's word when the sleepers were woken.
fn condition(rng: &mut Rng, record: &Record) {
    let count = rng.u32(..);
    let most = rng.usize(1..=9);
    let next = count.wrapping_add(1);
    let cases = [
        ("early", CONTENDED, FREE, Waited::Woken),
        ("during", LOCKED, FREE, Waited::Woken),
        ("never", LOCKED, FREE, Waited::TimedOut),
        ("taken", LOCKED, LOCKED, Waited::Woken),
    ];
    for (case, locked, by_then, end) in cases {
        let (condition, word) = (AtomicU32::new(count), AtomicU32::new(locked));
        let others = Script { other: (case == "early").then_some(&condition), ..Script::none() };
        let waiting = Script { other: Some(&word), ..Script::new(0, if case == "never" { count } else { next }, end) };
        let meanwhile = Meanwhile { script: &waiting, word: &word, by_then };
        let deadline = (case == "never").then_some(Nanoseconds(1));
        let result = wait(&condition, &meanwhile, &word, &others, deadline);
        let (asleep, unlocked) = (waiting.expected.get(), waiting.seen.get());
        let held = u32::from(word.load(Ordering::Relaxed) != FREE);
        let deadlines = others.deadlines.get();
        record.saw(format_args!(
            "case={case} result={result} asleep={asleep} unlocked={unlocked} held={held} deadlines={deadlines}"
        ));
    }
    let condition = AtomicU32::new(count);
    let script = Script { other: None, ..Script::none() };
    let watched = Watched { script: &script, condition: &condition, seen: Cell::new(count) };
    sync::notify(&condition, &watched, most);
    let (after, seen) = (condition.load(Ordering::Relaxed), watched.seen.get());
    let (wakes, woken) = (script.wakes.get(), script.woken.get());
    record.saw(format_args!("case=notify condition={after} wakes={wakes} woken={woken} seen={seen}"));
}

/// Two kinds of sleepers behind one type, as `wait` wants it.
enum Both<'a> {
    Condition(&'a Meanwhile<'a>),
    Lock(&'a Script<'a>),
}

fn wait(
    condition: &AtomicU32,
    sleepers: &Meanwhile<'_>,
    word: &AtomicU32,
    others: &Script<'_>,
    deadline: Option<Nanoseconds>,
) -> &'static str {
    let result = sync::wait(condition, &Both::Condition(sleepers), word, &Both::Lock(others), deadline);
    if result.is_ok() { "notified" } else { "timed_out" }
}

impl Sleepers for Both<'_> {
    fn wait(&self, word: &AtomicU32, expected: u32, deadline: Option<Nanoseconds>) -> Waited {
        match self {
            Self::Condition(sleepers) => sleepers.wait(word, expected, deadline),
            Self::Lock(sleepers) => sleepers.wait(word, expected, deadline),
        }
    }

    fn wake(&self, most: usize) {
        match self {
            Self::Condition(sleepers) => sleepers.script.wake(most),
            Self::Lock(sleepers) => sleepers.wake(most),
        }
    }
}

/// Sleepers for a condition; while they sleep, another takes the lock, or nobody does.
struct Meanwhile<'a> {
    script: &'a Script<'a>,
    word: &'a AtomicU32,
    by_then: u32,
}

impl Meanwhile<'_> {
    fn wait(&self, word: &AtomicU32, expected: u32, deadline: Option<Nanoseconds>) -> Waited {
        let waited = self.script.wait(word, expected, deadline);
        if self.by_then != FREE {
            self.word.store(self.by_then, Ordering::Relaxed);
        }
        waited
    }
}

/// Sleepers that look at the condition when they are woken.
struct Watched<'a> {
    script: &'a Script<'a>,
    condition: &'a AtomicU32,
    seen: Cell<u32>,
}

impl Sleepers for Watched<'_> {
    fn wait(&self, word: &AtomicU32, expected: u32, deadline: Option<Nanoseconds>) -> Waited {
        self.script.wait(word, expected, deadline)
    }

    fn wake(&self, most: usize) {
        self.seen.set(self.condition.load(Ordering::Relaxed));
        self.script.wake(most);
    }
}
