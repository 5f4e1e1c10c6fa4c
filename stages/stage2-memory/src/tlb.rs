//! What processors remember of page tables, and how they are made to forget.
//!
//! A processor keeps translations in its TLB, and doesn't look at the tables again until they are flushed. Xen
//! flushes by itself when an entry above level 1 changes, but not for a page (`public/xen.h`, `mmu_update`). Up to
//! stage 3 only this vCPU can remember anything; stage 4 puts its own function here. Invariant: when [`flush`]
//! returns, no vCPU of ours uses an old translation of these addresses.

use core::ops::Range;

use console::lock::Lock;
use console::types::PAGE_SIZE;

use crate::mmu::{self, Flush};

static FLUSH: Lock<fn(Range<u64>)> = Lock::new(flush_local);

/// Has every vCPU forget these addresses.
pub fn flush(range: Range<u64>) {
    let flush = *FLUSH.lock();
    flush(range);
}

/// Replaces the way to flush. It may be called with events masked and a lock held, so it must not wait for anything
/// that another vCPU does in a handler.
pub fn set_flush(flush: fn(Range<u64>)) {
    *FLUSH.lock() = flush;
}

/// Has this vCPU forget these addresses: page by page, or all it knows where that is less work.
pub fn flush_local(range: Range<u64>) {
    const FEW: u64 = 8;
    let pages = (range.end - range.start).div_ceil(PAGE_SIZE as u64);
    if pages <= FEW {
        mmu::flush_local((0..pages).map(|page| Flush::Page(range.start + page * PAGE_SIZE as u64)));
    } else {
        mmu::flush_local(core::iter::once(Flush::All));
    }
}
