//! The page tables that this kernel runs on, as exercise 2b sees them.
//!
//! Invariants: one vCPU at a time changes them, which `change` sees to; a frame that became a table stays one.

use console::lock::Lock;
use console::types::{Mfn, PAGE_SIZE};
use x86_64::VirtAddr;

use crate::bedrock::{direct_map, tables};
use crate::entry::{Entry, Flags};
use crate::frames;
use crate::mmu::{self, BATCH, Request};
use crate::page_tables::{MapError, PageTables, Refused, Tables, Walk, walk};
use crate::translate::pfn_to_mfn;

/// The live tables, to read.
pub struct Reader;

impl Tables for Reader {
    fn root(&self) -> Mfn {
        tables::root()
    }

    fn entry(&self, table: Mfn, index: usize) -> Entry {
        tables::entry(table, index)
    }
}

/// The live tables, to change: room for one hypercall's requests.
pub(crate) struct LiveTables {
    requests: [Request; BATCH + MOST_NEW],
    /// How many requests, at the front, are still to be made for new tables. They go with the next hypercall.
    new: usize,
    /// How many frames have become tables.
    made: u64,
}

/// Most tables that can be new at once: each is hooked by the next hypercall.
const MOST_NEW: usize = 4;

static LIVE: Lock<LiveTables> = Lock::new(LiveTables { requests: [Request::NONE; BATCH + MOST_NEW], new: 0, made: 0 });

/// Changes the live tables, one vCPU at a time.
pub(crate) fn change<R>(change: impl FnOnce(&mut LiveTables) -> R) -> R {
    change(&mut LIVE.lock())
}

/// How many frames have become tables for areas, stacks and the heap.
pub fn tables_made() -> u64 {
    LIVE.lock().made
}

/// The machine frame behind an address that is mapped, and the offset in it: what other domains need to hear.
pub fn address_to_machine(address: u64) -> Option<(Mfn, usize)> {
    match walk(&Reader, VirtAddr::try_new(address).ok()?) {
        Walk::Mapped(entry) => Some((entry.frame(), address as usize % PAGE_SIZE)),
        Walk::Missing(_) => None,
    }
}

impl Tables for LiveTables {
    fn root(&self) -> Mfn {
        Reader.root()
    }

    fn entry(&self, table: Mfn, index: usize) -> Entry {
        Reader.entry(table, index)
    }
}

impl PageTables for LiveTables {
    fn new_table(&mut self) -> Result<Mfn, MapError> {
        if self.new == MOST_NEW {
            return Err(MapError::OutOfMemory);
        }
        let run = frames::allocate_zeroed(1).map_err(|_| MapError::OutOfMemory)?;
        let table = pfn_to_mfn(run.first()).ok_or(MapError::OutOfMemory)?;
        // It is made read-only by the same hypercall that hooks it, right before.
        self.requests[self.new] = direct_map::read_only(run.first());
        self.new += 1;
        self.made += 1;
        run.leak();
        Ok(table)
    }

    fn set(&mut self, table: Mfn, index: usize, frames: &[Mfn], flags: Flags) -> Result<(), Refused> {
        self.update(table, index, frames.len(), |number| Entry::new(frames[number], flags))
    }

    fn clear(&mut self, table: Mfn, index: usize, count: usize) {
        let cleared = self.update(table, index, count, |_| Entry::EMPTY);
        assert!(cleared.is_ok(), "Xen refused to unmap: {cleared:?}");
    }
}

impl LiveTables {
    fn update(
        &mut self,
        table: Mfn,
        index: usize,
        count: usize,
        entry: impl Fn(usize) -> Entry,
    ) -> Result<(), Refused> {
        assert!(index + count <= BATCH, "a table has no {count} entries from {index} on");
        let new = core::mem::take(&mut self.new);
        for (number, request) in self.requests[new..new + count].iter_mut().enumerate() {
            *request = Request::new(table, index + number, entry(number));
        }
        // SAFETY: the callers of `change` map only addresses that are theirs, and frames that they have; a new table is
        // nobody's but the tables'.
        let updated = unsafe { mmu::update(&self.requests[..new + count]) };
        updated.map_err(|refused| Refused { done: refused.done.saturating_sub(new), ..refused })
    }
}
