//! Checks of exercise 4b: `ready::ReadyQueue` on levels that are plain arrays.

use console::bedrock::{Digest, List, Record, Reporter};
use fastrand::Rng;
use threads::ready::{LEVELS, Levels, ReadyQueue};

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("4b.order", order);
    reporter.check("4b.patience", patience);
    reporter.check("4b.mixed", mixed);
    reporter.check("4b.steal", steal);
}

const ROOM: usize = 64;

/// A queue for each level, in order.
struct Arrays {
    items: [[u64; ROOM]; LEVELS],
    lengths: [usize; LEVELS],
}

impl Arrays {
    const fn new() -> Self {
        Self { items: [[0; ROOM]; LEVELS], lengths: [0; LEVELS] }
    }
}

impl Levels for Arrays {
    type Item = u64;

    fn push(&mut self, level: usize, item: u64) {
        assert!(level < LEVELS, "there is no level {level}");
        let length = &mut self.lengths[level];
        assert!(*length < ROOM, "level {level} has no room for item {item}");
        self.items[level][*length] = item;
        *length += 1;
    }

    fn take(&mut self, level: usize, fits: &mut dyn FnMut(&u64) -> bool) -> Option<u64> {
        assert!(level < LEVELS, "there is no level {level}");
        let length = self.lengths[level];
        let index = self.items[level][..length].iter().position(fits)?;
        let item = self.items[level][index];
        self.items[level].copy_within(index + 1..length, index);
        self.lengths[level] -= 1;
        Some(item)
    }

    fn is_empty(&self, level: usize) -> bool {
        assert!(level < LEVELS, "there is no level {level}");
        self.lengths[level] == 0
    }
}

/// Items of all levels, picked until there is none.
///
/// Draws: `count = rng.usize(10..=28)`; for each item, numbered from 0, `rng.usize(..16)`, its level.
/// Records: `order`, the items as they were picked (one more pick than there are items); `occupied` at the end.
fn order(rng: &mut Rng, record: &Record) {
    let count = rng.usize(10..=28);
    let mut queue = ReadyQueue::new(Arrays::new());
    for item in 0..count {
        queue.put(rng.usize(..LEVELS), item as u64);
    }
    let mut picked = [0; ROOM];
    let mut length = 0;
    while length <= count
        && let Some(item) = queue.pick()
    {
        picked[length] = item;
        length += 1;
    }
    record.saw(format_args!("order={} occupied={}", List(picked[..length].iter()), queue.state().occupied));
}

/// A level that always has items, above two that wait.
///
/// Draws: `high = rng.usize(8..16)`; `middle = rng.usize(4..8)`; `low = rng.usize(..4)`. One item each, numbered as its level. A picked
/// item of the high level is put again; 100 picks.
/// Records: `middle` and `low`, after how many picks each was picked (0: never); then `case=waiting` after 10 further picks, items of
/// both having been put again before: `middle` and `low`, what is counted for them.
fn patience(rng: &mut Rng, record: &Record) {
    let (high, middle, low) = (rng.usize(8..16), rng.usize(4..8), rng.usize(..4));
    let mut queue = ReadyQueue::new(Arrays::new());
    [high, middle, low].into_iter().for_each(|level| queue.put(level, level as u64));
    let mut when = [0_u32; LEVELS];
    for number in 1..=100 {
        let Some(level) = queue.pick().and_then(|item| usize::try_from(item).ok()) else { break };
        if level == high {
            queue.put(high, high as u64);
        } else if let Some(when) = when.get_mut(level) {
            *when = number;
        }
    }
    record.saw(format_args!("case=picked middle={} low={}", when[middle], when[low]));
    [middle, low].into_iter().for_each(|level| queue.put(level, level as u64));
    for _ in 0..10 {
        if queue.pick() == Some(high as u64) {
            queue.put(high, high as u64);
        }
    }
    let counts = &queue.state().passed_over;
    record.saw(format_args!("case=waiting middle={} low={}", counts[middle], counts[low]));
}

/// Any sequence of calls.
///
/// Draws, 400 times: `rng.u32(..10)`; below 5, the next item, numbered from 0, is put at level `rng.usize(..16)` (nothing if that level
/// has 64 already); else one is picked.
/// Records: `digest` of what was picked (2^64 - 1 for nothing); `state`, a digest over all calls of `occupied` and the 16 counts;
/// `left`, how many items are left.
fn mixed(rng: &mut Rng, record: &Record) {
    let mut queue = ReadyQueue::new(Arrays::new());
    let (mut digest, mut states) = (Digest::default(), Digest::default());
    let mut lengths = 0_u64;
    let mut item = 0;
    for _ in 0..400 {
        if rng.u32(..10) < 5 {
            queue.put(rng.usize(..LEVELS), item);
            item += 1;
            lengths += 1;
        } else {
            let picked = queue.pick();
            lengths -= u64::from(picked.is_some());
            digest.add(picked.unwrap_or(u64::MAX));
        }
        states.add(queue.state().occupied.into());
        queue.state().passed_over.iter().for_each(|count| states.add((*count).into()));
    }
    record.saw(format_args!("digest={} state={} left={lengths}", digest.value(), states.value()));
}

/// A thief who may take some items only.
///
/// Draws: twenty times `rng.usize(..16)`, the levels of the items 0 to 19; `modulus = rng.u64(2..=4)`; `rest = rng.u64(..modulus)`. After
/// three picks, items are stolen whose number modulo `modulus` is `rest`, until there is none (24 times at most).
/// Records: `stolen`, in order; `counts`, the 16 counts; `occupied`.
fn steal(rng: &mut Rng, record: &Record) {
    let mut queue = ReadyQueue::new(Arrays::new());
    for item in 0..20 {
        queue.put(rng.usize(..LEVELS), item);
    }
    let modulus = rng.u64(2..=4);
    let rest = rng.u64(..modulus);
    for _ in 0..3 {
        queue.pick();
    }
    let mut stolen = [0; 24];
    let mut length = 0;
    while length < stolen.len()
        && let Some(item) = queue.steal(&mut |item| item % modulus == rest)
    {
        stolen[length] = item;
        length += 1;
    }
    let state = queue.state();
    let (stolen, counts) = (List(stolen[..length].iter()), List(state.passed_over.iter()));
    record.saw(format_args!("stolen={stolen} counts={counts} occupied={}", state.occupied));
}
