//! Measuring: how long something takes, in ticks of the time stamp counter.
//!
//! `app=bench` runs every benchmark of this stage and of those above, which add theirs with [`register`] when they
//! boot, or those that `only=` names, and then prints a line for each: `bench <name> <min> <median> <samples>`. `harness bench` reads them. What a
//! tick is depends on the machine: a fraction of a nanosecond, or one instruction where QEMU counts those.
//!
//! Invariant: nothing is printed while anything is measured, since that would wake dom0, and dom0 was left alone for
//! a while before. What measuring itself costs is taken off each sample.

mod rest;
mod rows;

use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::bedrock;
use crate::boot_info::CommandLine;
use crate::lock::Lock;
use crate::options::{Key, Values};
use crate::println;

pub use crate::patience::ticks;

/// Something to measure.
#[derive(Clone, Copy)]
pub struct Benchmark {
    /// What the figure is called: lower case, words joined by `-`.
    pub name: &'static str,
    /// Takes the samples.
    pub run: fn(&mut Bencher),
}

/// How many samples a benchmark takes at most.
pub const SAMPLES: usize = 100;
/// Most tables, of which a stage may have several, and most benchmarks of all of them together.
const MOST_TABLES: usize = 32;
const MOST: usize = 64;
/// Milliseconds without work for dom0, before anything is measured.
const REST: u64 = 2000;

static TABLES: Lock<[&[Benchmark]; MOST_TABLES]> = Lock::new({
    let mut tables: [&[Benchmark]; MOST_TABLES] = [&[]; MOST_TABLES];
    tables[0] = rows::BENCHMARKS;
    tables
});

/// Adds a stage's benchmarks to those that `app=bench` runs. Where there is no room for more they are left out, with a warning:
/// nothing else needs them.
pub fn register(benchmarks: &'static [Benchmark]) {
    let mut tables = TABLES.lock();
    let free = tables.iter_mut().find(|table| table.is_empty());
    let taken = free.map(|table| *table = benchmarks);
    drop(tables);
    if taken.is_none() {
        log::warn!(
            "there are more than {MOST_TABLES} tables of benchmarks: {} benchmarks are left out",
            benchmarks.len()
        );
    }
}

/// A point on the way from the first instruction.
pub struct Milestone(AtomicU64);

/// The end of stage 1's banner.
pub static TO_BANNER: Milestone = Milestone(AtomicU64::new(0));
/// The end of all stages' boot: what the guest is there for begins.
pub static TO_MAIN: Milestone = Milestone(AtomicU64::new(0));

impl Milestone {
    /// Notes that the guest has come so far.
    pub fn reached(&self) {
        self.0.store(ticks().saturating_sub(bedrock::first_ticks()), Ordering::Relaxed);
    }

    /// The one sample that there is: ticks from the first instruction.
    fn sample(&self, bencher: &mut Bencher) {
        match self.0.load(Ordering::Relaxed) {
            0 => {} // it never came so far
            ticks => bencher.sample(ticks),
        }
    }
}

/// Takes the samples of one benchmark.
pub struct Bencher {
    samples: [u64; SAMPLES],
    taken: usize,
    /// What it costs to measure nothing.
    overhead: u64,
}

impl Bencher {
    fn new(overhead: u64) -> Self {
        Self { samples: [0; SAMPLES], taken: 0, overhead }
    }

    /// Measures `work` until there are samples enough.
    #[inline(always)]
    pub fn iter<R>(&mut self, mut work: impl FnMut() -> R) {
        while self.wants_more() {
            self.time(&mut work);
        }
    }

    /// Measures `work` once: for loops that do something between two samples.
    #[inline(always)]
    pub fn time<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let begin = ticks();
        let result = black_box(work());
        self.sample(ticks().wrapping_sub(begin));
        result
    }

    /// Takes a sample that was measured elsewhere, from one call of [`ticks`] to another.
    #[inline(never)]
    pub fn sample(&mut self, ticks: u64) {
        if let Some(sample) = self.samples.get_mut(self.taken) {
            *sample = ticks.saturating_sub(self.overhead);
            self.taken += 1;
        }
    }

    /// Whether there are fewer than [`SAMPLES`] samples.
    #[inline]
    pub fn wants_more(&self) -> bool {
        self.taken < SAMPLES
    }

    /// The least and the middle one; `None` without samples.
    fn figures(&mut self) -> Option<Figures> {
        let samples = &mut self.samples[..self.taken];
        // In place, one by one: `sort_unstable` would be a twenty-fifth of the image, and there are few.
        for end in 1..samples.len() {
            let place = samples[..end].partition_point(|sample| *sample <= samples[end]);
            samples[place..=end].rotate_right(1);
        }
        let (min, median) = (samples.first()?, samples.get(samples.len() / 2)?);
        Some(Figures { min: *min, median: *median, samples: self.taken })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Figures {
    min: u64,
    median: u64,
    samples: usize,
}

/// What the command line may say: how many milliseconds dom0 is left alone before, and what alone is to be measured.
pub(crate) const KEYS: &[Key] = &[
    Key { name: "rest", values: Values::Number },
    Key { name: "only", values: Values::Like("names of benchmarks, joined by commas", |_| true) },
];

/// Runs the benchmarks and prints what came out; the demo `app=bench`.
pub(crate) fn run(command_line: CommandLine<'_>) {
    let tables = *TABLES.lock();
    let only = command_line.get("only");
    let wanted = |name: &str| only.is_none_or(|names| names.split(',').any(|wanted| wanted == name));
    let benchmarks = || tables.into_iter().flatten().filter(|benchmark| wanted(benchmark.name)).take(MOST);
    let rest = command_line.get("rest").and_then(|rest| rest.parse().ok()).unwrap_or(REST);
    println!("measuring {} things", benchmarks().count());
    if let Err(error) = rest::rest(rest) {
        println!("dom0 could not be left alone: {error}");
    }
    let mut nothing = Bencher::new(0);
    nothing.iter(|| ());
    let overhead = nothing.figures().map_or(0, |figures| figures.min);

    let mut rows = [None; MOST];
    for (benchmark, row) in benchmarks().zip(&mut rows) {
        let mut bencher = Bencher::new(overhead);
        (benchmark.run)(&mut bencher);
        *row = bencher.figures();
    }
    for (Benchmark { name, .. }, row) in benchmarks().zip(&rows) {
        match row {
            Some(Figures { min, median, samples }) => println!("bench {name} {min} {median} {samples}"),
            None => println!("bench {name} failed"),
        }
    }
    println!("bench done");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(samples: &[u64], overhead: u64) -> Option<Figures> {
        let mut bencher = Bencher::new(overhead);
        samples.iter().for_each(|sample| bencher.sample(*sample));
        bencher.figures()
    }

    #[test]
    fn the_least_and_the_middle_sample_are_told() {
        assert_eq!(figures(&[], 0), None);
        assert_eq!(figures(&[7], 0), Some(Figures { min: 7, median: 7, samples: 1 }));
        assert_eq!(figures(&[30, 10, 20], 0), Some(Figures { min: 10, median: 20, samples: 3 }));
    }

    #[test]
    fn what_measuring_costs_is_taken_off() {
        assert_eq!(figures(&[12, 3], 5), Some(Figures { min: 0, median: 7, samples: 2 }));
    }

    #[test]
    fn there_are_never_more_samples_than_there_is_room_for() {
        let mut bencher = Bencher::new(0);
        let mut runs = 0;
        bencher.iter(|| runs += 1);
        assert_eq!(runs, SAMPLES);
        assert!(!bencher.wants_more());
        bencher.sample(1);
        assert_eq!(bencher.figures().map(|figures| figures.samples), Some(SAMPLES));
    }

    #[test]
    fn there_is_room_for_what_all_stages_register_and_no_panic_beyond() {
        static ONE: [Benchmark; 1] = [Benchmark { name: "nothing", run: |_| {} }];
        for _ in 0..2 * MOST_TABLES {
            register(&ONE);
        }
        assert_eq!(TABLES.lock().iter().filter(|table| table.is_empty()).count(), 0);
    }

    #[test]
    fn names_are_single_words() {
        assert!(rows::BENCHMARKS.iter().all(|row| !row.name.contains(char::is_whitespace)));
    }
}
