//! Checks of exercise 5a: entries and a list that note each access, then the real table, with dom0 at the other end.

use core::cell::{Cell, RefCell};

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use console::bedrock::{Hex, Record, Reporter};
use console::types::{Domid, Mfn};
use fastrand::Rng;
use xenbus::grant_entry::{self, Access, Entry, PERMIT_ACCESS, READ_ONLY, READING, WRITING};
use xenbus::grants::SharedPage;
use xenbus::under_test::References;

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("5a.grant", grant);
    reporter.check("5a.end", end);
    reporter.check("5a.busy", busy);
    reporter.check("5a.references", references);
    reporter.check("5a.dom0", dom0);
}

/// Filling an entry.
///
/// Draws: `domain = rng.u16(..0x7ff0)`; `frame = rng.u32(..)`; `high = rng.u64(1 << 32..1 << 40)`.
/// Calls: frame for reading and writing (`case=write`), for reading only (`case=read`); the frame 2^32 - 1 (`case=last`); 2^32
/// (`case=first`) and `high` (`case=high`). Records: [`NotedEntry::record`].
fn grant(rng: &mut Rng, record: &Record) {
    let domain = rng.u16(..0x7ff0);
    let frame = u64::from(rng.u32(..));
    let high = rng.u64(1 << 32..1 << 40);
    let cases = [
        ("write", frame, Access::ReadWrite),
        ("read", frame, Access::ReadOnly),
        ("last", (1 << 32) - 1, Access::ReadOnly),
        ("first", 1 << 32, Access::ReadWrite),
        ("high", high, Access::ReadWrite),
    ];
    for (case, frame, access) in cases {
        let entry = NotedEntry::new(0, &[]);
        let granted = grant_entry::grant(&entry, Domid(domain), Mfn(frame), access).is_ok();
        entry.record(record, case, granted);
    }
}

/// Taking back what nobody has mapped.
///
/// Draws: `read_only = rng.bool()`. Flags: `PERMIT_ACCESS`, with `READ_ONLY` if so.
fn end(rng: &mut Rng, record: &Record) {
    let flags = if rng.bool() { PERMIT_ACCESS | READ_ONLY } else { PERMIT_ACCESS };
    let entry = NotedEntry::new(flags, &[]);
    let ended = grant_entry::end(&entry).is_ok();
    entry.record(record, "end", ended);
}

/// Taking back what is mapped, or becomes so.
///
/// Draws: nothing but the order, `rng.shuffle` of six cases: mapped for `reading`, `writing`, `both`; `mapping`: mapped for
/// writing between the load and the exchange; `unmapping`: first mapped for reading too, in that moment for reading only, and then
/// not at all, so that it ends in one of the two ways that are right; `flapping`: the flags gain and lose `READ_ONLY` three times.
fn busy(rng: &mut Rng, record: &Record) {
    const GRANTED: u16 = PERMIT_ACCESS;
    let mut cases: [(&str, u16, &[u16]); 6] = [
        ("reading", GRANTED | READING, &[]),
        ("writing", GRANTED | WRITING, &[]),
        ("both", GRANTED | READING | WRITING, &[]),
        ("mapping", GRANTED, &[GRANTED | WRITING]),
        ("remapping", GRANTED, &[GRANTED | READ_ONLY, GRANTED | READ_ONLY | READING]),
        ("flapping", GRANTED, &[GRANTED | READ_ONLY, GRANTED, GRANTED | READ_ONLY]),
    ];
    rng.shuffle(&mut cases);
    for (case, flags, later) in cases {
        let entry = NotedEntry::new(flags, later);
        let ended = grant_entry::end(&entry).is_ok();
        entry.record(record, case, ended);
    }
}

/// Taking and giving back references.
///
/// Draws: `sizes = [rng.u32(3..=10), rng.u32(10..=20)]`, by which the table grows, the last first; then 60 times `rng.u8(..3)`: 0 gives a
/// reference back, which is number `rng.usize(..held)` of those held in the order in which they came (if any is held: `swap_remove`);
/// otherwise one is taken. In the end references are taken until there are none.
/// Records: every 10 turns `taken`, the references that were taken in order with commas between (`-` for a refusal); then `rest`
/// in the same way, `outside`: how many were ever below 8, beyond the table, or handed out twice at a time; and `grown`.
fn references(rng: &mut Rng, record: &Record) {
    let sizes = [rng.u32(3..=10), rng.u32(10..=20)];
    let mut list = References::growing_by(&sizes);
    let mut held: Vec<u32> = Vec::new();
    let mut outside = 0;
    let mut taken = String::new();
    let mut take = |list: &mut References, held: &mut Vec<u32>, taken: &mut String| {
        let reference = grant_entry::allocate(list);
        if !taken.is_empty() {
            taken.push(',');
        }
        match reference {
            Ok(reference) => {
                let wrong = reference < 8 || reference as usize >= list.size() || held.contains(&reference);
                outside += u32::from(wrong);
                held.push(reference);
                *taken += &format!("{reference}");
                true
            }
            Err(_) => {
                taken.push('-');
                false
            }
        }
    };
    for turn in 1..=60 {
        if rng.u8(..3) == 0 {
            if !held.is_empty() {
                let reference = held.swap_remove(rng.usize(..held.len()));
                grant_entry::release(&mut list, reference);
            }
        } else {
            take(&mut list, &mut held, &mut taken);
        }
        if turn % 10 == 0 {
            record.saw(format_args!("turn={turn} taken={taken}"));
            taken.clear();
        }
    }
    let mut turns = 0;
    while turns < 100 && take(&mut list, &mut held, &mut taken) {
        turns += 1;
    }
    record.saw(format_args!("rest={taken} outside={outside} grown={}", list.grown()));
}

/// A real page, and dom0.
///
/// Draws: 16 times `rng.u8(..)`, what the guest writes; 16 times `rng.u8(..)`, what dom0 writes.
/// Records: the answer to `grant-map`; the answer to `grant-write`; `seen`, what the guest reads afterwards, and `busy`, whether it
/// can't end the grant; the answer to `grant-unmap`; `ended`; the answer to `grant-map` again.
fn dom0(rng: &mut Rng, record: &Record) {
    let (ours, theirs) = (super::bytes(rng, 16), super::bytes(rng, 16));
    let Ok(page) = SharedPage::new(Domid(0), Access::ReadWrite) else { return record.saw(format_args!("page=none")) };
    let reference = page.reference().0;
    page.write(0, &ours);
    record.ask(format_args!("ask=grant-map ref={reference}"));
    record.ask(format_args!("ask=grant-write value={}", Hex(&theirs)));
    let mut seen = [0; 16];
    page.read(0, &mut seen);
    let (page, busy) = match page.revoke() {
        Ok(page) => (Err(page), false),
        Err(page) => (Ok(page), true),
    };
    record.saw(format_args!("seen={} busy={busy}", Hex(&seen)));
    record.ask(format_args!("ask=grant-unmap"));
    let ended = page.is_ok_and(|page| page.revoke().is_ok());
    record.saw(format_args!("ended={ended}"));
    record.ask(format_args!("ask=grant-map ref={reference}"));
}

/// An entry that notes what is done to it, and whose flags change by themselves.
struct NotedEntry {
    frame: Cell<u32>,
    domain: Cell<u16>,
    flags: Cell<u16>,
    /// What the flags become before each of the next exchanges.
    later: RefCell<Vec<u16>>,
    /// The letters of what was done: `f`rame, `d`omain, `l`oad, `p`ublish, `x`change.
    calls: RefCell<String>,
}

impl NotedEntry {
    fn new(flags: u16, later: &[u16]) -> Self {
        Self {
            frame: Cell::new(0xeeee_eeee),
            domain: Cell::new(0xdddd),
            flags: Cell::new(flags),
            later: RefCell::new(later.iter().rev().copied().collect()),
            calls: RefCell::new(String::new()),
        }
    }

    fn note(&self, call: char) {
        self.calls.borrow_mut().push(call);
    }

    /// Records `case`, `done` (whether the function said so), the fields, and `calls`.
    fn record(&self, record: &Record, case: &str, done: bool) {
        let (frame, domain, flags) = (self.frame.get(), self.domain.get(), self.flags.get());
        let calls = self.calls.borrow();
        let calls = if calls.is_empty() { "-" } else { &calls };
        record.saw(format_args!("case={case} done={done} frame={frame} domain={domain} flags={flags} calls={calls}"));
    }
}

impl Entry for NotedEntry {
    fn set_frame(&self, frame: u32) {
        self.note('f');
        self.frame.set(frame);
    }

    fn set_domain(&self, domain: u16) {
        self.note('d');
        self.domain.set(domain);
    }

    fn flags(&self) -> u16 {
        self.note('l');
        self.flags.get()
    }

    fn publish(&self, flags: u16) {
        self.note('p');
        self.flags.set(flags);
    }

    fn compare_exchange(&self, expected: u16, new: u16) -> Result<(), u16> {
        self.note('x');
        if let Some(flags) = self.later.borrow_mut().pop() {
            self.flags.set(flags);
        }
        if self.flags.get() == expected {
            self.flags.set(new);
            Ok(())
        } else {
            Err(self.flags.get())
        }
    }
}
