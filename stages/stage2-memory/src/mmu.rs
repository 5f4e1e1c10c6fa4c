//! The hypercalls that change page tables.
//!
//! Follows Xen's `public/xen.h`: `mmu_update` (requests of a machine address and a new entry) and `mmuext_op`
//! (flushing). Xen alone writes page tables. It looks at every entry before: a page table may not be mapped writable
//! anywhere, and what isn't ours can't be mapped at all.
//!
//! Invariant: an entry that is not present is exactly 0. (What is left over in one can be read by a speculating
//! processor, so Xen crashes a domain that writes such an entry on processors that do.)

use core::sync::atomic::{AtomicU64, Ordering};

use console::Errno;
use console::types::{Domid, Mfn};
use console::xen::{hypercall, number};

use crate::entry::Entry;

/// Most requests in one hypercall: as many as a table has entries.
pub const BATCH: usize = 512;

/// A request of `mmu_update` (`struct mmu_update`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The machine address of the entry; the lowest two bits 0 ask for an ordinary update.
    pointer: u64,
    value: u64,
}

impl Request {
    /// A request that changes nothing, to fill arrays with.
    pub const NONE: Self = Self { pointer: 0, value: 0 };

    /// Asks for entry number `index` of a table to become `entry`.
    pub fn new(table: Mfn, index: usize, entry: Entry) -> Self {
        debug_assert!(entry.is_present() || entry == Entry::EMPTY, "{entry:?} is neither present nor empty");
        Self { pointer: (table.0 << 12) + index as u64 * 8, value: entry.bits() }
    }
}

/// Xen refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How many requests it fulfilled before.
    pub done: usize,
    /// Why.
    pub errno: Errno,
}

static HYPERCALLS: AtomicU64 = AtomicU64::new(0);

/// How many hypercalls this file has made.
pub fn hypercalls() -> u64 {
    HYPERCALLS.load(Ordering::Relaxed)
}

/// Has Xen change entries, with one hypercall. They take effect in their order, up to the first that is refused.
///
/// The processor may go on using the old entries until they are flushed.
///
/// # Errors
/// What Xen says about the first request that it refuses.
///
/// # Safety
/// The new entries must not take away or change memory that Rust code relies on.
pub unsafe fn update(requests: &[Request]) -> Result<(), Refused> {
    let mut done = 0_u32;
    let pointer = requests.as_ptr().expose_provenance() as u64;
    let counter = (&raw mut done).expose_provenance() as u64;
    HYPERCALLS.fetch_add(1, Ordering::Relaxed);
    let arguments = [pointer, requests.len() as u64, counter, Domid::SELF.0.into()];
    // SAFETY: Xen reads the requests and writes the u32; what the requests do is the caller's promise.
    match unsafe { hypercall(number::MMU_UPDATE, arguments) } {
        Ok(_) => Ok(()),
        Err(errno) => Err(Refused { done: done as usize, errno }),
    }
}

/// An operation of `mmuext_op` (`struct mmuext_op`).
#[repr(C)]
#[derive(Clone, Copy)]
struct Operation {
    command: u64,
    first: u64,
    second: u64,
}

/// What this vCPU is to forget about the page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// What it knows of the page at this address.
    Page(u64),
    /// All.
    All,
}

/// Flushes the translations that this vCPU has kept (at most [`BATCH`] at once; the rest is ignored).
pub fn flush_local(flushes: impl Iterator<Item = Flush>) {
    const TLB_FLUSH_LOCAL: u64 = 6;
    const INVLPG_LOCAL: u64 = 7;
    const MOST: usize = 16;
    let mut operations = [Operation { command: TLB_FLUSH_LOCAL, first: 0, second: 0 }; MOST];
    let mut count = 0;
    for (operation, flush) in operations.iter_mut().zip(flushes) {
        if let Flush::Page(address) = flush {
            (operation.command, operation.first) = (INVLPG_LOCAL, address);
        }
        count += 1;
    }
    let pointer = operations.as_ptr().expose_provenance() as u64;
    HYPERCALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: Xen only reads the operations, and flushing changes nothing that a program sees. It can't fail.
    let _ = unsafe { hypercall(number::MMUEXT_OP, [pointer, count, 0, Domid::SELF.0.into()]) };
}
