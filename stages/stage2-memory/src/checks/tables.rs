//! Checks of exercise 2b: `page_tables::walk`, `map` and `unmap` on tables of their own.

use core::cell::Cell;
use core::fmt;

use console::Errno;
use console::bedrock::{List, Record, Reporter};
use console::lock::{Guard, Lock};
use console::types::{Mfn, PAGE_SIZE};
use fastrand::Rng;
use memory::entry::{Access, Entry, Flags, TABLE};
use memory::page_tables::{self, MapError, PageTables, Refused, Tables, Walk};
use x86_64::VirtAddr;

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("2b.walk", walk);
    reporter.check("2b.map", map);
    reporter.check("2b.calls", calls);
    reporter.check("2b.unmap", unmap);
    reporter.check("2b.occupied", occupied);
    reporter.check("2b.undo", undo);
}

/// Where a run begins.
///
/// Draws: `high = rng.bool()`; the index of level 4: `rng.u64(272..512)` if high, else `rng.u64(..256)`; of level 3:
/// `rng.u64(..512)`; of level 2: `rng.u64(..508)`. That of level 1 is `level1`.
fn draw_address(rng: &mut Rng, level1: u64) -> VirtAddr {
    let level4 = if rng.bool() { rng.u64(272..512) } else { rng.u64(..256) };
    let (level3, level2) = (rng.u64(..512), rng.u64(..508));
    VirtAddr::new_truncate(level4 << 39 | level3 << 30 | level2 << 21 | level1 << 12)
}

/// Machine frames for a run.
///
/// Draws: `first = rng.u64(0x10000..0x20000)`; `step = rng.u64(1..=9)`. Number n is `first + n * step`.
fn draw_frames(rng: &mut Rng) -> [Mfn; MOST] {
    let (first, step) = (rng.u64(0x10000..0x20000), rng.u64(1..=9));
    core::array::from_fn(|number| Mfn(first + number as u64 * step))
}

/// The longest run.
const MOST: usize = 1200;

// ANCHOR: walk
/// Addresses followed to their pages, and to where they end.
///
/// Draws: `base`, see [`Fake::new`]; four times: an address with `level1 = rng.u64(..512)`, drawn before it, and the
/// frame mapped there, `rng.u64(0x10000..0x20000)`. Records, for each address in order, `frame`; then for each level
/// from 4 to 1, with the lowest bit of that level's index flipped: `level`, and either `missing`, the level at which
/// the walk ended, or `frame`.
fn walk(rng: &mut Rng, record: &Record) {
    let mut fake = Fake::new(rng);
    let mut addresses = [VirtAddr::zero(); 4];
    for address in &mut addresses {
        let level1 = rng.u64(..512);
        *address = draw_address(rng, level1);
        fake.put(*address, Mfn(rng.u64(0x10000..0x20000)));
    }
    for address in addresses {
        record.saw(format_args!("{}", Walked(page_tables::walk(&*fake, address))));
        for level in (1..=4).rev() {
            let flipped = VirtAddr::new_truncate(address.as_u64() ^ 1 << (9 * level + 3));
            record.saw(format_args!("level={level} {}", Walked(page_tables::walk(&*fake, flipped))));
        }
    }
}
// ANCHOR_END: walk

/// A run that crosses into another table.
///
/// Draws: `base`; `before = rng.u64(1..=40)`; an address with `level1 = 512 - before`; `count = before +
/// rng.u64(1..=60)`; frames; `write = rng.bool()`. The page at level-1 index 0 of the first table is mapped already,
/// to frame 0x9999, for reading. Records `result`: see [`name`]. Then `pages`: see [`Pages`]; `all` and `any`: the
/// flags that all pages of the run have, and that any has, as numbers, without what Xen adds; `tables`: how many
/// there are; `table_flags`: those that all entries of levels 4 to 2 have.
fn map(rng: &mut Rng, record: &Record) {
    let mut fake = Fake::new(rng);
    let before = rng.u64(1..=40);
    let address = draw_address(rng, 512 - before);
    let count = (before + rng.u64(1..=60)) as usize;
    let frames = draw_frames(rng);
    let access = if rng.bool() { Access::ReadWrite } else { Access::Read };
    fake.put(VirtAddr::new_truncate(address.as_u64() & !(0x1ff << 12)), Mfn(0x9999));
    let result = page_tables::map(&mut *fake, address, &frames[..count], access.flags());
    record.saw(format_args!("result={}", Named(result, address)));
    let flags = (0..count).filter_map(|page| fake.look(address + (page * PAGE_SIZE) as u64)).map(Fake::own_flags);
    let (all, any) = flags.fold((u64::MAX, 0), |(all, any), flags| (all & flags, any | flags));
    let (tables, table_flags) = (fake.used, fake.table_flags());
    record.saw(format_args!("pages={}", Pages(&fake, address)));
    record.saw(format_args!("all={all} any={any} tables={tables} table_flags={table_flags}"));
}

/// What a long run costs.
///
/// Draws: `base`; `level1 = rng.u64(..512)`; an address with it; `count = rng.usize(600..1200)`; frames. Records
/// `result`; `new`: tables made; `sets`: calls of `set`; `clears`: calls of `clear`. Then the same for unmapping it
/// all.
fn calls(rng: &mut Rng, record: &Record) {
    let mut fake = Fake::new(rng);
    let level1 = rng.u64(..512);
    let address = draw_address(rng, level1);
    let count = rng.usize(600..MOST);
    let frames = draw_frames(rng);
    let result = page_tables::map(&mut *fake, address, &frames[..count], Access::Read.flags());
    fake.record_calls(record, result, address);
    let result = page_tables::unmap(&mut *fake, address, count);
    fake.record_calls(record, result, address);
}

/// A run unmapped in part, and one that isn't all mapped.
///
/// Draws: `base`; `before = rng.u64(5..=40)`; an address with `level1 = 512 - before`; `count = before +
/// rng.u64(5..=60)`; frames, which are mapped there; `skip = rng.usize(1..5)`; `keep = rng.usize(1..5)`. Unmaps from
/// page `skip` on all but the last `keep` pages. Records `result`, `pages`, and `left_over`: entries that are not
/// present and not 0. Then unmaps `keep + 1` pages from the first that is still mapped behind those, and records
/// `result` and `pages`.
fn unmap(rng: &mut Rng, record: &Record) {
    let mut fake = Fake::new(rng);
    let before = rng.u64(5..=40);
    let address = draw_address(rng, 512 - before);
    let count = (before + rng.u64(5..=60)) as usize;
    let frames = draw_frames(rng);
    let (skip, keep) = (rng.usize(1..5), rng.usize(1..5));
    for (page, frame) in frames[..count].iter().enumerate() {
        fake.put(address + (page * PAGE_SIZE) as u64, *frame);
    }
    let cases = [(skip, count - skip - keep), (count - keep, keep + 1)];
    for (first, count) in cases {
        let result = page_tables::unmap(&mut *fake, address + (first * PAGE_SIZE) as u64, count);
        record.saw(format_args!("result={} pages={}", Named(result, address), Pages(&fake, address)));
        record.saw(format_args!("left_over={}", fake.left_over()));
    }
}

/// A run in the middle of which a page is mapped.
///
/// Draws: `base`; `before = rng.u64(5..=40)`; an address with `level1 = 512 - before`; `count = before +
/// rng.u64(5..=60)`; frames; `taken = rng.usize(1..count)`: that page is mapped already, to frame 0x9999. Records
/// `result`, `new`, `sets`, `clears` and `pages`.
fn occupied(rng: &mut Rng, record: &Record) {
    let mut fake = Fake::new(rng);
    let before = rng.u64(5..=40);
    let address = draw_address(rng, 512 - before);
    let count = (before + rng.u64(5..=60)) as usize;
    let frames = draw_frames(rng);
    let taken = rng.usize(1..count);
    fake.put(address + (taken * PAGE_SIZE) as u64, Mfn(0x9999));
    let result = page_tables::map(&mut *fake, address, &frames[..count], Access::Read.flags());
    fake.record_calls(record, result, address);
    record.saw(format_args!("pages={}", Pages(&fake, address)));
}

/// Runs that fail midway.
///
/// Draws: `base`; `before = rng.u64(5..=40)`; an address with `level1 = 512 - before`; `count = before +
/// rng.u64(5..=60)`; frames; `bad = rng.usize(before + 1..count)`: Xen refuses that frame, with error 1. The page
/// behind the run is mapped already, to frame 0x9999. Records for `case=xen` the `result`, and `pages`. For
/// `case=memory`, with tables of its own (`base` drawn anew), nothing mapped before, and tables for the first page of
/// the run only: the same.
fn undo(rng: &mut Rng, record: &Record) {
    let mut fake = Fake::new(rng);
    let before = rng.u64(5..=40);
    let address = draw_address(rng, 512 - before);
    let count = (before + rng.u64(5..=60)) as usize;
    let frames = draw_frames(rng);
    fake.refuse = Some(frames[rng.usize(before as usize + 1..count)]);
    fake.put(address + (count * PAGE_SIZE) as u64, Mfn(0x9999));
    let result = page_tables::map(&mut *fake, address, &frames[..count], Access::Read.flags());
    record.saw(format_args!("case=xen result={} pages={}", Named(result, address), Pages(&fake, address)));
    drop(fake);

    let mut fake = Fake::new(rng);
    fake.most = 4;
    let result = page_tables::map(&mut *fake, address, &frames[..count], Access::Read.flags());
    record.saw(format_args!("case=memory result={} pages={}", Named(result, address), Pages(&fake, address)));
}

/// Tables that only exist here.
struct Fake {
    tables: [[u64; 512]; TABLES],
    /// The root is number 0, and is there from the beginning.
    used: usize,
    most: usize,
    /// The frame of table number n is `base + 3 * n`.
    base: u64,
    /// A frame that Xen refuses.
    refuse: Option<Mfn>,
    new: u32,
    sets: u32,
    clears: u32,
    /// Reads of frames that are no tables.
    strays: Cell<u32>,
}

const TABLES: usize = 16;
/// What Xen says about a frame that isn't ours.
const EPERM: u16 = 1;

static FAKE: Lock<Fake> = Lock::new(Fake {
    tables: [[0; 512]; TABLES],
    used: 1,
    most: TABLES,
    base: 0,
    refuse: None,
    new: 0,
    sets: 0,
    clears: 0,
    strays: Cell::new(0),
});

impl Tables for Fake {
    fn root(&self) -> Mfn {
        Mfn(self.base)
    }

    fn entry(&self, table: Mfn, index: usize) -> Entry {
        match self.number(table) {
            Some(table) => Entry::from_bits(self.tables[table][index]),
            None => {
                self.strays.set(self.strays.get() + 1);
                Entry::EMPTY
            }
        }
    }
}

impl PageTables for Fake {
    fn new_table(&mut self) -> Result<Mfn, MapError> {
        if self.used == self.most {
            return Err(MapError::OutOfMemory);
        }
        self.new += 1;
        self.used += 1;
        Ok(Mfn(self.base + 3 * (self.used as u64 - 1)))
    }

    fn set(&mut self, table: Mfn, index: usize, frames: &[Mfn], flags: Flags) -> Result<(), Refused> {
        self.sets += 1;
        for (done, frame) in frames.iter().enumerate() {
            let known = self.number(table).filter(|_| index + done < 512 && self.refuse != Some(*frame));
            let Some(table) = known else {
                return Err(Refused { done, errno: Errno::new(EPERM).unwrap_or(Errno::EINVAL) });
            };
            self.tables[table][index + done] = Entry::new(*frame, flags).bits() | XEN_ADDS;
        }
        Ok(())
    }

    fn clear(&mut self, table: Mfn, index: usize, count: usize) {
        self.clears += 1;
        if let Some(table) = self.number(table) {
            self.tables[table][index..index + count].fill(0);
        }
    }
}

/// What Xen sets in an entry besides what it was told: USER, and bit 52.
const XEN_ADDS: u64 = 1 << 2 | 1 << 52;

impl Fake {
    /// Empty tables: nothing but a root.
    ///
    /// Draws: `base = rng.u64(0x40000..0x50000)`.
    fn new(rng: &mut Rng) -> Guard<'static, Self> {
        let mut fake = FAKE.lock();
        fake.tables.iter_mut().for_each(|table| table.fill(0));
        (fake.used, fake.most, fake.base, fake.refuse) = (1, TABLES, rng.u64(0x40000..0x50000), None);
        fake.forget_calls();
        fake
    }

    fn forget_calls(&mut self) {
        (self.new, self.sets, self.clears) = (0, 0, 0);
    }

    fn record_calls(&mut self, record: &Record, result: Result<(), MapError>, address: VirtAddr) {
        let Self { new, sets, clears, .. } = *self;
        record.saw(format_args!("result={} new={new} sets={sets} clears={clears}", Named(result, address)));
        self.forget_calls();
    }

    fn number(&self, table: Mfn) -> Option<usize> {
        let number = table.0.checked_sub(self.base)?;
        (number % 3 == 0 && number / 3 < self.used as u64).then_some(number as usize / 3)
    }

    /// Maps a page for reading, without the exercise.
    fn put(&mut self, address: VirtAddr, frame: Mfn) {
        let mut table = 0;
        for level in (2..=4).rev() {
            let index = index(address, level);
            if self.tables[table][index] == 0 {
                self.used += 1;
                let new = Mfn(self.base + 3 * (self.used as u64 - 1));
                self.tables[table][index] = Entry::new(new, TABLE).bits() | XEN_ADDS;
            }
            table = self.number(Entry::from_bits(self.tables[table][index]).frame()).unwrap_or(0);
        }
        self.tables[table][index(address, 1)] = Entry::new(frame, Access::Read.flags()).bits() | XEN_ADDS;
    }

    /// The entry that maps an address, found without the exercise.
    fn look(&self, address: VirtAddr) -> Option<Entry> {
        let mut table = 0;
        for level in (1..=4).rev() {
            let entry = Entry::from_bits(self.tables[table][index(address, level)]);
            if !entry.is_present() || level == 1 {
                return entry.is_present().then_some(entry);
            }
            table = self.number(entry.frame())?;
        }
        None
    }

    fn own_flags(entry: Entry) -> u64 {
        entry.flags().bits() & !XEN_ADDS
    }

    /// The flags that all entries which lead to tables have.
    fn table_flags(&self) -> u64 {
        let entries = self.tables[..self.used].iter().flatten().map(|bits| Entry::from_bits(*bits));
        let tables = entries.filter(|entry| entry.is_present() && self.number(entry.frame()).is_some());
        tables.fold(u64::MAX, |all, entry| all & entry.flags().bits() & !(1 << 52))
    }

    fn left_over(&self) -> usize {
        let entries = self.tables.iter().flatten().filter(|bits| **bits != 0);
        entries.filter(|bits| !Entry::from_bits(**bits).is_present()).count()
    }
}

fn index(address: VirtAddr, level: u32) -> usize {
    (address.as_u64() >> (9 * level + 3)) as usize % 512
}

/// What is mapped in the 2048 pages around a run, from 512 before its first page on, each as `<page>:<frame>`, the page
/// counted from the run's first.
struct Pages<'a>(&'a Fake, VirtAddr);

impl fmt::Display for Pages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(fake, start) = *self;
        let pages = (-512_i64..1536).filter_map(|page| {
            let address = VirtAddr::new_truncate(start.as_u64().wrapping_add_signed(page * PAGE_SIZE as i64));
            Some(Mapped(page, fake.look(address)?.frame()))
        });
        write!(f, "{}", List(pages))
    }
}

struct Mapped(i64, Mfn);

impl fmt::Display for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1.0)
    }
}

/// `frame=<number>` or `missing=<level>`.
struct Walked(Walk);

impl fmt::Display for Walked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Walk::Mapped(entry) => write!(f, "frame={}", entry.frame().0),
            Walk::Missing(level) => write!(f, "missing={level}"),
        }
    }
}

/// The name of a result: `ok`, `already_mapped:<page>`, `not_mapped:<page>` (the page counted from the run's first),
/// `out_of_memory`, `refused:<error>` or `bad_address`.
struct Named(Result<(), MapError>, VirtAddr);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = |address: VirtAddr| address.as_u64().wrapping_sub(self.1.as_u64()) as i64 / PAGE_SIZE as i64;
        match self.0 {
            Ok(()) => f.write_str("ok"),
            Err(MapError::AlreadyMapped(address)) => write!(f, "already_mapped:{}", page(address)),
            Err(MapError::NotMapped(address)) => write!(f, "not_mapped:{}", page(address)),
            Err(MapError::OutOfMemory) => f.write_str("out_of_memory"),
            Err(MapError::Refused(errno)) => write!(f, "refused:{}", errno.number()),
            Err(MapError::BadAddress) => f.write_str("bad_address"),
        }
    }
}
