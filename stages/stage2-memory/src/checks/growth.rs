//! Checks of exercise 2c: `heap_space::grow` on a heap that only exists here.

use core::alloc::Layout;
use core::fmt;

use console::bedrock::{List, Record, Reporter};
use console::types::{PAGE_SIZE, Pfn};
use fastrand::Rng;
use memory::heap_space::{self, GrowError, HeapSpace, Run};
use memory::page_tables::MapError;

const PAGE: u64 = PAGE_SIZE as u64;
/// Runs that are noted.
const MOST: usize = 128;

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("2c.amount", amount);
    reporter.check("2c.pieces", pieces);
    reporter.check("2c.short", short);
    reporter.check("2c.undo", undo);
}

/// How much a heap grows where frames are plenty.
///
/// Draws: `start`, see [`Fake::new`]. Then six times: `size = rng.usize(1..=limit)`, with the limits 100, 5000,
/// 70000, 300000, 3000000, 9000000 in this order, and `align = 1 << rng.u32(..=16)`. Each time the heap is new, with
/// room for 2^20 pages, and one run of free frames, as long. Then `size = rng.usize(1..=20000)`, `align` 8, and room
/// for 14 pages. Records for each what [`Fake::record`] says.
fn amount(rng: &mut Rng, record: &Record) {
    let start = Fake::draw_start(rng);
    for limit in [100, 5000, 70_000, 300_000, 3_000_000, 9_000_000] {
        let (size, align) = (rng.usize(1..=limit), 1 << rng.u32(..=16));
        let mut fake = Fake::new(start, 1 << 20, &[1 << 20]);
        fake.grow(size, align);
        fake.record(record, "plenty");
    }
    let size = rng.usize(1..=20_000);
    let mut fake = Fake::new(start, 14, &[1 << 20]);
    fake.grow(size, 8);
    fake.record(record, "room");
}

/// Frames in pieces.
///
/// Draws: `start`; sixteen times `rng.u64(1..=40)`: runs of free frames, as they lie; `size = rng.usize(1..=250000)`.
/// The alignment is 16, and there is room enough. Records what [`Fake::record`] says.
fn pieces(rng: &mut Rng, record: &Record) {
    let start = Fake::draw_start(rng);
    let runs: [u64; 16] = core::array::from_fn(|_| rng.u64(1..=40));
    let size = rng.usize(1..=250_000);
    let mut fake = Fake::new(start, 1 << 20, &runs);
    fake.grow(size, 16);
    fake.record(record, "pieces");
}

/// Fewer frames than wanted.
///
/// Draws: `start`; `first = rng.u64(1..=4)`; `second = rng.u64(1..=4)`. `case=frames`: runs of `first` and of
/// `second` frames are free; the size is 100. `case=map`: three runs of 8 frames are free; the size is 8 pages less
/// 100 bytes, and no run can be mapped that reaches beyond page number `8 + first`, so all that is needed can. The
/// alignment is 8.
fn short(rng: &mut Rng, record: &Record) {
    let start = Fake::draw_start(rng);
    let (first, second) = (rng.u64(1..=4), rng.u64(1..=4));
    let mut fake = Fake::new(start, 1 << 20, &[first, second]);
    fake.grow(100, 8);
    fake.record(record, "frames");

    let mut fake = Fake::new(start, 1 << 20, &[8; 3]);
    fake.last_page = 8 + first;
    fake.grow(8 * PAGE_SIZE - 100, 8);
    fake.record(record, "map");
}

/// Growth that isn't possible.
///
/// Draws: `start`; `runs = rng.usize(3..10)`; `size = rng.usize(200000..300000)`. `case=frames`: that many runs of 4
/// frames. `case=map`: runs of 16 frames, ten of them, and none can be mapped that reaches beyond page number 16 *
/// (runs / 4) + 1. `case=limit`: frames enough, but room for 10 pages. `case=overflow`: frames enough, the size
/// isize::MAX - 4095, the alignment 4096. `case=none`: no frames. The size is `size` and the alignment 64 unless said
/// otherwise.
fn undo(rng: &mut Rng, record: &Record) {
    let start = Fake::draw_start(rng);
    let runs = rng.usize(3..10);
    let size = rng.usize(200_000..300_000);
    let mut fake = Fake::new(start, 1 << 20, &[4; 10][..runs]);
    fake.grow(size, 64);
    fake.record(record, "frames");

    let mut fake = Fake::new(start, 1 << 20, &[16; 10]);
    fake.last_page = 16 * (runs as u64 / 4) + 1;
    fake.grow(size, 64);
    fake.record(record, "map");

    let mut fake = Fake::new(start, 10, &[1000]);
    fake.grow(size, 64);
    fake.record(record, "limit");

    let mut fake = Fake::new(start, 1 << 20, &[1000]);
    fake.grow(isize::MAX as usize - 4095, 4096);
    fake.record(record, "overflow");

    let mut fake = Fake::new(start, 1 << 20, &[]);
    fake.grow(size, 64);
    fake.record(record, "none");
}

/// A heap that notes what is done to it.
struct Fake {
    start: u64,
    end: u64,
    limit: u64,
    /// The runs of free frames that are left, by length.
    free: [u64; 16],
    next: u64,
    /// Mapping a run that reaches beyond this page, counted from the heap's end, fails.
    last_page: u64,
    taken: u64,
    given: u64,
    unmapped: u64,
    maps: [(i64, u64); MOST],
    mapped: usize,
    extends: u32,
    /// What had been mapped when the heap was extended first.
    early: usize,
    result: Result<(), GrowError>,
}

impl Fake {
    /// Where the heap ends at first.
    ///
    /// Draws: `rng.u64(0x1000..0x8000)`, in pages.
    fn draw_start(rng: &mut Rng) -> u64 {
        rng.u64(0x1000..0x8000) * PAGE
    }

    fn new(start: u64, room: u64, runs: &[u64]) -> Self {
        let mut free = [0; 16];
        free[..runs.len()].copy_from_slice(runs);
        Self {
            start,
            end: start,
            limit: start + room * PAGE,
            free,
            next: 0x1000,
            last_page: u64::MAX,
            taken: 0,
            given: 0,
            unmapped: 0,
            maps: [(0, 0); MOST],
            mapped: 0,
            extends: 0,
            early: 0,
            result: Ok(()),
        }
    }

    fn grow(&mut self, size: usize, align: usize) {
        let Ok(layout) = Layout::from_size_align(size, align) else { return };
        self.result = heap_space::grow(self, layout);
    }

    /// Records for this `case` the `result` (`ok`, `no_room`, `out_of_memory` or `map`); `grown`: the pages by which
    /// the heap was extended, and `extends`, how often; `maps`: the runs that were mapped, as `<page>+<pages>`, the
    /// page counted from the heap's old end; `late`: how many of them after the heap was extended; and `kept`: the
    /// frames that were taken and not given back, `unmapped` those that were unmapped.
    fn record(&self, record: &Record, case: &str) {
        let result = match self.result {
            Ok(()) => "ok",
            Err(GrowError::NoRoom) => "no_room",
            Err(GrowError::OutOfMemory) => "out_of_memory",
            Err(GrowError::Map(_)) => "map",
        };
        let (grown, extends) = ((self.end - self.start) / PAGE, self.extends);
        let late = if extends > 0 { self.mapped - self.early } else { 0 };
        let kept = self.taken as i64 - (self.given + self.unmapped) as i64;
        let maps = List(self.maps[..self.mapped].iter().map(|(page, pages)| Piece(*page, *pages)));
        record.saw(format_args!("case={case} result={result} grown={grown} extends={extends} late={late}"));
        record.saw(format_args!("maps={maps} kept={kept} unmapped={}", self.unmapped));
    }
}

impl HeapSpace for Fake {
    fn end(&self) -> u64 {
        self.end
    }

    fn limit(&self) -> u64 {
        self.limit
    }

    fn take(&mut self, pages: u64) -> Option<Run> {
        let longest = heap_space::LARGEST_RUN;
        let run = self.free.iter_mut().find(|run| **run >= pages && (1..=longest).contains(&pages))?;
        *run -= pages;
        self.taken += pages;
        self.next += pages;
        Some(Run { first: Pfn(self.next - pages), pages })
    }

    fn give(&mut self, run: Run) {
        self.given += run.pages;
    }

    fn map(&mut self, address: u64, run: &Run) -> Result<(), MapError> {
        let page = address.wrapping_sub(self.start) as i64 / PAGE as i64;
        if page + run.pages as i64 > self.last_page.min(i64::MAX as u64) as i64 {
            return Err(MapError::OutOfMemory);
        }
        if self.mapped < MOST {
            self.maps[self.mapped] = (page, run.pages);
            self.mapped += 1;
        }
        Ok(())
    }

    fn unmap(&mut self, _: u64, pages: u64) {
        self.unmapped += pages;
    }

    fn extend(&mut self, bytes: u64) {
        if self.extends == 0 {
            self.early = self.mapped;
        }
        self.extends += 1;
        self.end += bytes;
    }
}

struct Piece(i64, u64);

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.0, self.1)
    }
}
