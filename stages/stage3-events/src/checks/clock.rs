//! Checks of exercise 3b: `clock::scale`, `clock::read` and `clock::latest`.

use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

use console::bedrock::{List, Record, Reporter};
use events::clock::{self, TimeInfo};
use fastrand::Rng;

/// Runs the checks of this exercise on private objects.
pub fn run(reporter: &Reporter) {
    reporter.check("3b.scale", scale);
    reporter.check("3b.read", read);
    reporter.check("3b.version", version);
    reporter.check("3b.latest", latest);
}

/// Ticks of all sizes.
///
/// Draws eight times `rng.u64(..)`, `rng.u32(1..)`, `rng.i8(-32..=32)`; then four times `rng.u64(..1 << 44)`,
/// `rng.u32(1 << 31..)`, `rng.i8(-4..=4)`. Behind these come (2^64 - 1, 2^32 - 1, 32), (2^64 - 1, 2^32 - 1, 0),
/// (3, 2^31, 0) and (1, 2^31, 1). Records `result` for each.
fn scale(rng: &mut Rng, record: &Record) {
    for round in 0..16 {
        let (ticks, multiplier, shift) = match round {
            0..8 => (rng.u64(..), rng.u32(1..), rng.i8(-32..=32)),
            8..12 => (rng.u64(..1 << 44), rng.u32(1 << 31..), rng.i8(-4..=4)),
            12 => (u64::MAX, u32::MAX, 32),
            13 => (u64::MAX, u32::MAX, 0),
            14 => (3, 1 << 31, 0),
            _ => (1, 1 << 31, 1),
        };
        record.saw(format_args!("result={}", clock::scale(ticks, multiplier, shift)));
    }
}

/// A time that doesn't change while it is read.
///
/// Draws three times what [`Fields::draw`] does. Records `result` for `case=later`, where the counter stands at
/// `tsc_timestamp + ticks`, `case=equal`, where it stands at the timestamp, and `case=behind`: at `tsc_timestamp - ticks`.
fn read(rng: &mut Rng, record: &Record) {
    for case in ["later", "equal", "behind"] {
        let mut fields = Fields::draw(rng);
        let ticks = fields.counter - fields.tsc_timestamp;
        match case {
            "equal" => fields.counter = fields.tsc_timestamp,
            "behind" => fields.counter = fields.tsc_timestamp - ticks,
            _ => {}
        }
        let info = Changing { epochs: [fields; 3], changes: [u32::MAX; 2], loads: Cell::new(0) };
        record.saw(format_args!("case={case} result={}", clock::read(&info)));
    }
}

/// A time that changes while it is read.
///
/// Draws for each case three times what [`Fields::draw`] does, of which the second and the third get the versions behind
/// the first one's; then two numbers, the loads before it changes: `first`, and `more` until it changes again.
/// `case=changing`: `first = rng.u32(1..=6)`; `more = rng.u32(1..=6)`. `case=writing`: `first = 0`, so the version is odd at
/// first; `more = rng.u32(8..=20)`, so it may be odd for as long as a whole reading takes. `case=wrapping`: the same, and the versions are 2^32 - 2, 2^32 - 1 and 0.
/// Records `result`.
fn version(rng: &mut Rng, record: &Record) {
    for case in ["changing", "writing", "wrapping"] {
        let mut epochs = [Fields::draw(rng), Fields::draw(rng), Fields::draw(rng)];
        if case == "wrapping" {
            epochs[0].version = u32::MAX - 1;
        }
        epochs[1].version = epochs[0].version + 1;
        epochs[2].version = epochs[0].version.wrapping_add(2);
        let changes = match case {
            "changing" => {
                let first = rng.u32(1..=6);
                [first, first + rng.u32(1..=6)]
            }
            _ => [0, rng.u32(8..=20)],
        };
        let info = Changing { epochs, changes, loads: Cell::new(0) };
        record.saw(format_args!("case={case} result={}", clock::read(&info)));
    }
}

/// Readings, of which some are earlier than those before.
///
/// Draws: `start = rng.u64(..1 << 40)`, which the place holds at first; then 16 times `rng.u64(..1 << 41)`. Records
/// `returned`, and `kept`: what the place holds at the end.
fn latest(rng: &mut Rng, record: &Record) {
    let place = AtomicU64::new(rng.u64(..1 << 40));
    let returned: [u64; 16] = core::array::from_fn(|_| clock::latest(&place, rng.u64(..1 << 41)));
    record.saw(format_args!("returned={} kept={}", List(returned.iter()), place.load(Ordering::Relaxed)));
}

/// What a time consists of.
#[derive(Clone, Copy)]
struct Fields {
    version: u32,
    tsc_timestamp: u64,
    system_time: u64,
    multiplier: u32,
    shift: i8,
    counter: u64,
}

impl Fields {
    /// Draws: `rng.u32(..1 << 31) * 2`, the version; `rng.u64(1 << 45..1 << 50)`, the timestamp; `rng.u64(..1 << 50)`, the
    /// time; `rng.u32(1 << 31..)`, the multiplier; `rng.i8(-2..=2)`, the shift; and `rng.u64(1..1 << 40)`, the ticks
    /// since the timestamp.
    fn draw(rng: &mut Rng) -> Self {
        let version = rng.u32(..1 << 31) * 2;
        let tsc_timestamp = rng.u64(1 << 45..1 << 50);
        let system_time = rng.u64(..1 << 50);
        let multiplier = rng.u32(1 << 31..);
        let shift = rng.i8(-2..=2);
        let counter = tsc_timestamp + rng.u64(1..1 << 40);
        Self { version, tsc_timestamp, system_time, multiplier, shift, counter }
    }
}

/// A time that changes after some loads, and once more after some more.
struct Changing {
    epochs: [Fields; 3],
    changes: [u32; 2],
    loads: Cell<u32>,
}

impl Changing {
    fn load(&self) -> Fields {
        let loads = self.loads.get();
        self.loads.set(loads.saturating_add(1));
        self.epochs[self.changes.iter().filter(|change| **change <= loads).count()]
    }
}

impl TimeInfo for Changing {
    fn version(&self) -> u32 {
        self.load().version
    }

    fn tsc_timestamp(&self) -> u64 {
        self.load().tsc_timestamp
    }

    fn system_time(&self) -> u64 {
        self.load().system_time
    }

    fn multiplier(&self) -> u32 {
        self.load().multiplier
    }

    fn shift(&self) -> i8 {
        self.load().shift
    }

    fn ticks(&self) -> u64 {
        self.load().counter
    }
}
