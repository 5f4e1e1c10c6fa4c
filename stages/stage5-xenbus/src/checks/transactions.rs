//! Checks of exercise 5c: nodes that conflict when they are told to, then the real ones.

use core::cell::{Cell, RefCell};

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use console::bedrock::{Hex, Record, Reporter};
use fastrand::Rng;
use threads::thread;
use xenbus::protocol::{Refusal, StoreError};
use xenbus::store::Store;
use xenbus::transactions::{self, Nodes, TransactionId};

use super::{name, outcome, word};

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("5c.commit", commit);
    reporter.check("5c.retry", retry);
    reporter.check("5c.abort", abort);
    reporter.check("5c.take", take);
    reporter.check("5c.dom0", dom0);
}

const AGAIN: StoreError = StoreError::Refused(Refusal::Again);
/// Errors to draw from.
const ERRORS: [StoreError; 4] = [
    StoreError::Refused(Refusal::Denied),
    StoreError::Refused(Refusal::Quota),
    StoreError::Refused(Refusal::TooLarge),
    StoreError::TimedOut,
];

/// Without conflicts.
///
/// Draws: `first = rng.u32(1..1 << 30)`, the number of the first transaction; `value = rng.u32(..)`, what the body returns;
/// `attempts = rng.u32(1..=10)`; `error = rng.usize(..4)`, of [`ERRORS`].
/// Records: `case`, `result` (the value, or the error), `calls`: see [`NotedNodes`]. `case=plain`; `case=refused`, where the
/// start fails with the error.
fn commit(rng: &mut Rng, record: &Record) {
    let first = rng.u32(1..1 << 30);
    let value = rng.u32(..);
    let attempts = rng.u32(1..=10);
    let error = ERRORS[rng.usize(..4)];
    NotedNodes::new(first).run(record, "plain", attempts, |_| Ok(value));
    let nodes = NotedNodes { refused_start: Some((0, error)), ..NotedNodes::new(first) };
    nodes.run(record, "refused", attempts, |_| Ok(value));
}

/// With conflicts.
///
/// Draws: `first = rng.u32(1..1 << 30)`; `conflicts = rng.u32(1..=5)`; `attempts = conflicts + rng.u32(1..=4)`; `value = rng.u32(..)`.
/// Records as in [`commit`]: the first `conflicts` attempts fail with `Again` at their commits (`case=commit`), in their bodies
/// (`case=body`), in turn at one and the other, first in the body (`case=both`); then all commits (`case=never`).
fn retry(rng: &mut Rng, record: &Record) {
    let first = rng.u32(1..1 << 30);
    let conflicts = rng.u32(1..=5);
    let attempts = conflicts + rng.u32(1..=4);
    let value = rng.u32(..);
    let nodes =
        NotedNodes { refused_commits: (0..conflicts).map(|at| (at, AGAIN)).collect(), ..NotedNodes::new(first) };
    nodes.run(record, "commit", attempts, |_| Ok(value));
    NotedNodes::new(first).run(record, "body", attempts, |at| if at < conflicts { Err(AGAIN) } else { Ok(value) });
    let odd = (0..conflicts).filter(|at| at % 2 == 1).map(|at| (at, AGAIN)).collect();
    let nodes = NotedNodes { refused_commits: odd, ..NotedNodes::new(first) };
    nodes.run(record, "both", attempts, |at| if at < conflicts && at % 2 == 0 { Err(AGAIN) } else { Ok(value) });
    let all = (0..100).map(|at| (at, AGAIN)).collect();
    let nodes = NotedNodes { refused_commits: all, ..NotedNodes::new(first) };
    nodes.run(record, "never", attempts, |_| Ok(value));
}

/// With failures.
///
/// Draws: `first = rng.u32(1..1 << 30)`; `attempts = rng.u32(2..=10)`; `error = rng.usize(..4)`; `other = rng.usize(..4)`, both of
/// [`ERRORS`].
/// Records as in [`commit`]: the body fails with `error` (`case=body`); the same, and the abort with `other` (`case=abort`); the commit
/// fails with `error` (`case=commit`); the first commit conflicts, and the second start fails with `error` (`case=start`).
fn abort(rng: &mut Rng, record: &Record) {
    let first = rng.u32(1..1 << 30);
    let attempts = rng.u32(2..=10);
    let (error, other) = (ERRORS[rng.usize(..4)], ERRORS[rng.usize(..4)]);
    NotedNodes::new(first).run(record, "body", attempts, |_| Err(error));
    let nodes = NotedNodes { refused_aborts: Some(other), ..NotedNodes::new(first) };
    nodes.run(record, "abort", attempts, |_| Err(error));
    let nodes = NotedNodes { refused_commits: [(0, error)].into(), ..NotedNodes::new(first) };
    nodes.run(record, "commit", attempts, |_| Ok(0));
    let refused_commits = [(0, AGAIN)].into();
    let nodes = NotedNodes { refused_commits, refused_start: Some((1, error)), ..NotedNodes::new(first) };
    nodes.run(record, "start", attempts, |_| Ok(0));
}

/// Taking a command.
///
/// Draws: `first = rng.u32(1..1 << 30)`; `command` and `newer`, [`word`]s of 6 letters.
/// Records: `case`, `result` (the command in hexadecimal, `none`, or the error), `content`: what the node holds afterwards, `writes`: how
/// many were made, and `open`: transactions that were not ended. `case=plain`: the node holds `command`; `case=replaced`: the first
/// commit conflicts, and the node holds `newer` from then on; `case=empty`; `case=missing`; `case=denied`: reading it is.
fn take(rng: &mut Rng, record: &Record) {
    let first = rng.u32(1..1 << 30);
    let (command, newer) = (word(rng, 6), word(rng, 6));
    let cases: [(&str, Result<&str, StoreError>); 5] = [
        ("plain", Ok(&command)),
        ("replaced", Ok(&command)),
        ("empty", Ok("")),
        ("missing", Err(StoreError::Refused(Refusal::NotFound))),
        ("denied", Err(StoreError::Refused(Refusal::Denied))),
    ];
    for (case, content) in cases {
        let mut nodes = NotedNodes::new(first);
        nodes.content = RefCell::new(content.map(|content| content.as_bytes().to_vec()));
        if case == "replaced" {
            nodes.refused_commits = [(0, AGAIN)].into();
            nodes.newer = RefCell::new(Some(newer.clone()));
        }
        let result = match transactions::take(&nodes, "node") {
            Ok(Some(command)) => format!("{}", Hex(&command)),
            Ok(None) => String::from("none"),
            Err(error) => name(error),
        };
        let content = match &*nodes.content.borrow() {
            Ok(content) => format!("{}", Hex(content)),
            Err(error) => name(*error),
        };
        let (writes, open) = (nodes.writes.get(), nodes.starts.get() - nodes.ends.get());
        record.saw(format_args!("case={case} result={result} content={content} writes={writes} open={open}"));
    }
}

/// A number in the real xenstore that several threads add to.
///
/// Draws: `start = rng.u32(..1000)`; `turns = rng.u32(3..=6)`; `steps`, four times `rng.u32(1..100)`.
/// Four threads add, `turns` times each, their step to the number in `data/sum`, in transactions.
/// Records: `failed`, how many additions did; the answer to `store-read` of `data/sum`.
fn dom0(rng: &mut Rng, record: &Record) {
    let start = rng.u32(..1000);
    let turns = rng.u32(3..=6);
    let steps: [u32; 4] = core::array::from_fn(|_| rng.u32(1..100));
    let store = Store::shared();
    let written = store.write("data/sum", start.to_string().as_bytes());
    let add = move |step: u32| {
        move || {
            (0..turns)
                .filter(|_| {
                    let added = transactions::run(&Store::shared(), 1000, &mut |id| {
                        let sum = Store::within(id).read_number("data/sum")?;
                        Store::within(id).write("data/sum", (sum + u64::from(step)).to_string().as_bytes())
                    });
                    added.is_err()
                })
                .count()
        }
    };
    let threads: Vec<_> = steps.into_iter().filter_map(|step| thread::spawn(add(step)).ok()).collect();
    let failed: usize = threads.into_iter().map(thread::JoinHandle::join).sum();
    record.saw(format_args!("written={} failed={failed}", outcome(&written)));
    record.ask(format_args!("ask=store-read path=data/sum"));
}

/// Nodes that note what is done, and fail when they are told to. There is one node, whatever its path.
///
/// Calls are noted with commas between, with the number of the attempt, from 0: `s0` a start, `b0` the body, `c0` a commit, `a0` an
/// abort. An attempt that nobody started is `?`.
struct NotedNodes {
    first: u32,
    starts: Cell<u32>,
    ends: Cell<u32>,
    writes: Cell<u32>,
    calls: RefCell<String>,
    /// Which start fails, and how.
    refused_start: Option<(u32, StoreError)>,
    /// Which commits fail, and how.
    refused_commits: Vec<(u32, StoreError)>,
    /// How every abort fails.
    refused_aborts: Option<StoreError>,
    content: RefCell<Result<Vec<u8>, StoreError>>,
    /// What somebody else writes before the first commit.
    newer: RefCell<Option<String>>,
    written: RefCell<Option<Vec<u8>>>,
}

impl NotedNodes {
    fn new(first: u32) -> Self {
        Self {
            first,
            starts: Cell::new(0),
            ends: Cell::new(0),
            writes: Cell::new(0),
            calls: RefCell::new(String::new()),
            refused_start: None,
            refused_commits: Vec::new(),
            refused_aborts: None,
            content: RefCell::new(Ok(Vec::new())),
            newer: RefCell::new(None),
            written: RefCell::new(None),
        }
    }

    fn note(&self, call: char, attempt: Option<u32>) {
        let mut calls = self.calls.borrow_mut();
        if calls.len() < 400 {
            if !calls.is_empty() {
                calls.push(',');
            }
            calls.push(call);
            *calls += &attempt.map_or_else(|| String::from("?"), |attempt| attempt.to_string());
        }
    }

    fn attempt(&self, id: TransactionId) -> Option<u32> {
        id.0.checked_sub(self.first).filter(|attempt| *attempt < self.starts.get())
    }

    /// Runs a body, which gets the number of its attempt, and records what came of it.
    fn run(self, record: &Record, case: &str, attempts: u32, body: impl Fn(u32) -> Result<u32, StoreError>) {
        let result = transactions::run(&self, attempts, &mut |id| {
            let attempt = self.attempt(id);
            self.note('b', attempt);
            body(attempt.unwrap_or(0))
        });
        let result = result.map_or_else(name, |value| value.to_string());
        record.saw(format_args!("case={case} result={result} calls={}", self.calls.borrow()));
    }
}

impl Nodes for NotedNodes {
    fn start(&self) -> Result<TransactionId, StoreError> {
        let attempt = self.starts.get();
        self.note('s', Some(attempt));
        if let Some((refused, error)) = self.refused_start
            && refused == attempt
        {
            return Err(error);
        }
        self.starts.set(attempt + 1);
        Ok(TransactionId(self.first + attempt))
    }

    fn end(&self, transaction: TransactionId, commit: bool) -> Result<(), StoreError> {
        let attempt = self.attempt(transaction);
        self.note(if commit { 'c' } else { 'a' }, attempt);
        self.ends.set(self.ends.get() + 1);
        let written = self.written.borrow_mut().take();
        let refused = self.refused_commits.iter().find(|(refused, _)| commit && Some(*refused) == attempt);
        if let Some((_, error)) = refused {
            if let Some(newer) = self.newer.borrow_mut().take() {
                *self.content.borrow_mut() = Ok(newer.into_bytes());
            }
            return Err(*error);
        }
        if commit {
            if let Some(written) = written {
                *self.content.borrow_mut() = Ok(written);
            }
            return Ok(());
        }
        self.refused_aborts.map_or(Ok(()), Err)
    }

    fn read(&self, _: TransactionId, _: &str) -> Result<Vec<u8>, StoreError> {
        self.content.borrow().clone()
    }

    fn write(&self, _: TransactionId, _: &str, value: &[u8]) -> Result<(), StoreError> {
        self.writes.set(self.writes.get() + 1);
        *self.written.borrow_mut() = Some(value.to_vec());
        Ok(())
    }
}
