//! Checks of exercise 2a: `free_blocks::allocate` and `free` on sets of their own.

use core::cell::Cell;
use core::fmt;

use console::bedrock::{List, Record, Reporter};
use console::types::Pfn;
use fastrand::Rng;
use memory::block_tree::BlockTrees;
use memory::free_blocks::{self, FreeBlocks, FreeError, ORDERS};

/// Words for the largest set here, of 4095 frames.
const WORDS: usize = 512;
/// Runs that a random workload has at most.
const MOST_RUNS: usize = 64;
/// Steps of the random workload.
const STEPS: usize = 300;

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("2a.fits", fits);
    reporter.check("2a.odd", odd);
    reporter.check("2a.merge", merge);
    reporter.check("2a.refuse", refuse);
    reporter.check("2a.random", random);
}

// ANCHOR: fits
/// Runs taken from a set with blocks of several sizes.
///
/// Draws: twelve times, `index` from 0 on: `start = 80 * index + rng.u64(..30)`; `length = rng.u64(1..=40)`: the
/// frames that are free, of 1024. Then eight times, `number` from 0 on: `count = 1 << rng.u32(..=number.min(5))` if
/// number is even, else `rng.u64(1..=33)`. Records for each `count` and `first` (`none` if there is none). At last
/// `blocks`: see [`Blocks`].
fn fits(rng: &mut Rng, record: &Record) {
    let mut words = [0; WORDS];
    let mut free = [false; 1024];
    for index in 0..12 {
        let start = 80 * index + rng.usize(..30);
        let length = rng.usize(1..=40);
        free[start..start + length].fill(true);
    }
    let mut set = Noted::new(&mut words, &free);
    for number in 0..8_u32 {
        let count = if number.is_multiple_of(2) { 1 << rng.u32(..=number.min(5)) } else { rng.u64(1..=33) };
        let first = free_blocks::allocate(&mut set, count);
        record.saw(format_args!("count={count} first={}", Answer(first)));
    }
    record.saw(format_args!("blocks={}", Blocks(&set)));
}
// ANCHOR_END: fits

/// Runs of any length, put into an empty set.
///
/// Draws: `frames = rng.u64(1000..4000) | 1`. Then three times, `index` from 0 on, with `third = frames / 3`: `start
/// = third * index + rng.u64(..third / 4)`; `count = rng.u64(1..third / 2)`, but the last time `count = frames -
/// start` instead, without a draw. Records for each the `result`: see [`name`]. At last `blocks`.
fn odd(rng: &mut Rng, record: &Record) {
    let frames = rng.u64(1000..4000) | 1;
    let third = frames / 3;
    let mut words = [0; WORDS];
    let mut set = Noted::empty(&mut words, frames);
    for index in 0..3 {
        let start = third * index + rng.u64(..third / 4);
        let count = if index < 2 { rng.u64(1..third / 2) } else { frames - start };
        let result = free_blocks::free(&mut set, Pfn(start), count);
        record.saw(format_args!("result={}", name(result)));
    }
    record.saw(format_args!("blocks={}", Blocks(&set)));
}

/// Single frames, put into an empty set in any order.
///
/// Draws: `frames = rng.u64(100..250)`; the frames from 0 on, shuffled by `rng.shuffle`. Each is freed in that order.
/// Records `refused`, how many were, and `blocks`: after half of them (`frames / 2`), and after all.
fn merge(rng: &mut Rng, record: &Record) {
    let frames = rng.usize(100..250);
    let mut order: [u64; 250] = core::array::from_fn(|index| index as u64);
    let order = &mut order[..frames];
    rng.shuffle(order);
    let mut words = [0; WORDS];
    let mut set = Noted::empty(&mut words, frames as u64);
    let mut refused = 0;
    for (number, pfn) in order.iter().enumerate() {
        if number == frames / 2 {
            record.saw(format_args!("refused={refused} blocks={}", Blocks(&set)));
        }
        refused += u32::from(free_blocks::free(&mut set, Pfn(*pfn), 1).is_err());
    }
    record.saw(format_args!("refused={refused} blocks={}", Blocks(&set)));
}

/// What must be refused.
///
/// Draws: `frames = rng.u64(250..400)`; `a = rng.u64(10..50)`; `length = rng.u64(8..40)`; `b = rng.u64(150..180)`;
/// `few = rng.u64(1..=3)`. The frames from `a` on, `length` of them, and from `b` on, `few`, are free. Records for
/// each `case` the `first` that allocating gave: `zero`, 0 frames; `many`, 41; `huge`, 2^20 + 1; `most`, 2^64 - 1.
/// Then for each `case` the `result` of freeing: `zero`, 0 frames from 60; `end`, 2 frames from `frames - 1`;
/// `behind`, 1 from `frames`; `wrap`, 2 from 2^64 - 1; `whole`, `length` from `a`; `inside`, 1 from `a + length / 2`;
/// `last`, 4 from `a - 3`; `around`, `few + 10` from `b - 5`. At last `blocks`.
fn refuse(rng: &mut Rng, record: &Record) {
    let frames = rng.u64(250..400);
    let (a, length) = (rng.u64(10..50), rng.u64(8..40));
    let (b, few) = (rng.u64(150..180), rng.u64(1..=3));
    let mut words = [0; WORDS];
    let mut free = [false; 400];
    free[a as usize..(a + length) as usize].fill(true);
    free[b as usize..(b + few) as usize].fill(true);
    let mut set = Noted::new(&mut words, &free[..frames as usize]);
    for (case, count) in [("zero", 0), ("many", 41), ("huge", (1 << 20) + 1), ("most", u64::MAX)] {
        let first = free_blocks::allocate(&mut set, count);
        record.saw(format_args!("case={case} first={}", Answer(first)));
    }
    let cases = [
        ("zero", 60, 0),
        ("end", frames - 1, 2),
        ("behind", frames, 1),
        ("wrap", u64::MAX, 2),
        ("whole", a, length),
        ("inside", a + length / 2, 1),
        ("last", a - 3, 4),
        ("around", b - 5, few + 10),
    ];
    for (case, first, count) in cases {
        let result = free_blocks::free(&mut set, Pfn(first), count);
        record.saw(format_args!("case={case} result={}", name(result)));
    }
    record.saw(format_args!("blocks={}", Blocks(&set)));
}

/// A random workload.
///
/// Draws: `frames = rng.u64(500..1000)`, all of which are free. Then 300 times: if there are no runs, or there are
/// fewer than 64 and `rng.bool()`: `count = rng.u64(1..=40)`, and that many are taken; what comes is the last of the
/// runs. Else: `index = rng.usize(..runs)`, and that run is freed; the last run takes its place. Records `answers`:
/// the first frame of each run taken (`none` if there was none); `refused`: how many were when freed; `blocks`; and
/// `most`: how many operations on the set the most expensive step needed.
fn random(rng: &mut Rng, record: &Record) {
    let frames = rng.usize(500..1000);
    let mut words = [0; WORDS];
    let mut set = Noted::new(&mut words, &[true; 1000][..frames]);
    let mut runs = [(Pfn(0), 0); MOST_RUNS];
    let mut answers = [None; STEPS];
    let (mut count_runs, mut count_answers, mut refused, mut most) = (0, 0, 0, 0);
    for _ in 0..STEPS {
        set.operations.set(0);
        if count_runs == 0 || count_runs < MOST_RUNS && rng.bool() {
            let count = rng.u64(1..=40);
            answers[count_answers] = free_blocks::allocate(&mut set, count);
            if let Some(first) = answers[count_answers] {
                runs[count_runs] = (first, count);
                count_runs += 1;
            }
            count_answers += 1;
        } else {
            let index = rng.usize(..count_runs);
            let (first, count) = runs[index];
            count_runs -= 1;
            runs[index] = runs[count_runs];
            refused += u32::from(free_blocks::free(&mut set, first, count).is_err());
        }
        most = most.max(set.operations.get());
    }
    let answers = List(answers[..count_answers].iter().map(|first| Answer(*first)));
    record.saw(format_args!("answers={answers} refused={refused}"));
    record.saw(format_args!("blocks={} most={most}", Blocks(&set)));
}

/// The name of a result: `ok`, `no_frames` or `already_free`.
fn name(result: Result<(), FreeError>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(FreeError::NoFrames) => "no_frames",
        Err(FreeError::AlreadyFree) => "already_free",
    }
}

/// A first frame, or `none`.
struct Answer(Option<Pfn>);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(first) => write!(f, "{}", first.0),
            None => f.write_str("none"),
        }
    }
}

/// A set that counts the operations on it.
struct Noted<'memory> {
    set: BlockTrees<'memory>,
    operations: Cell<u32>,
}

impl<'memory> Noted<'memory> {
    fn empty(words: &'memory mut [u64], frames: u64) -> Self {
        Self { set: BlockTrees::new(words, frames), operations: Cell::new(0) }
    }

    /// A set in which these frames are free, in the blocks that they make.
    fn new(words: &'memory mut [u64], free: &[bool]) -> Self {
        let mut set = BlockTrees::new(words, free.len() as u64);
        let mut left = [false; 1024];
        left[..free.len()].copy_from_slice(free);
        for order in (0..10).rev() {
            let size = 1 << order;
            for (number, block) in left[..free.len()].chunks_exact_mut(size).enumerate() {
                if block.iter().all(|free| *free) {
                    set.insert(order, Pfn((number * size) as u64));
                    block.fill(false);
                }
            }
        }
        Self { set, operations: Cell::new(0) }
    }

    fn note(&self) {
        self.operations.set(self.operations.get() + 1);
    }
}

impl FreeBlocks for Noted<'_> {
    fn frames(&self) -> u64 {
        self.set.frames()
    }

    fn contains(&self, order: u32, first: Pfn) -> bool {
        self.note();
        self.set.contains(order, first)
    }

    fn next(&self, order: u32, from: Pfn) -> Option<Pfn> {
        self.note();
        self.set.next(order, from)
    }

    fn insert(&mut self, order: u32, first: Pfn) {
        self.note();
        self.set.insert(order, first);
    }

    fn remove(&mut self, order: u32, first: Pfn) {
        self.note();
        self.set.remove(order, first);
    }
}

/// The blocks of a set by their addresses, each as `<first>x<frames>`.
struct Blocks<'a, 'memory>(&'a Noted<'memory>);

impl fmt::Display for Blocks<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = &self.0.set;
        let orders = |pfn| (0..ORDERS).filter(move |order| set.contains(*order, Pfn(pfn >> order << order)));
        let begins =
            |pfn: u64| orders(pfn).filter(move |order| pfn.is_multiple_of(1 << order)).map(move |order| (pfn, order));
        let blocks = (0..set.frames()).flat_map(begins);
        write!(f, "{}", List(blocks.map(|(pfn, order)| Block(pfn, order))))
    }
}

struct Block(u64, u32);

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.0, 1_u64 << self.1)
    }
}
