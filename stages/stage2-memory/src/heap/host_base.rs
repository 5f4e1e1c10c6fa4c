//! The base of the heap in host tests: the host's own allocator, which counts what is out, and refuses when it is told to.

use core::alloc::Layout;
use core::sync::atomic::{AtomicIsize, Ordering};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Pieces that were taken and not given back.
pub(super) static OUT: AtomicIsize = AtomicIsize::new(0);
/// Pieces that may still be taken.
static LEFT: AtomicIsize = AtomicIsize::new(isize::MAX);

/// The heap is one for the whole program: one test at a time has it.
pub(super) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has so many more pieces be given out, and then none until this is called again.
pub(super) fn refuse_after(pieces: isize) {
    LEFT.store(pieces, Ordering::SeqCst);
}

pub(super) fn allocate(layout: Layout) -> *mut u8 {
    if LEFT.fetch_sub(1, Ordering::SeqCst) <= 0 {
        LEFT.store(0, Ordering::SeqCst);
        return core::ptr::null_mut();
    }
    OUT.fetch_add(1, Ordering::SeqCst);
    // SAFETY: nobody asks for nothing.
    unsafe { std::alloc::alloc(layout) }
}

/// # Safety
/// As that of the base.
pub(super) unsafe fn free(piece: *mut u8, layout: Layout) {
    OUT.fetch_sub(1, Ordering::SeqCst);
    // SAFETY: by this function's contract.
    unsafe { std::alloc::dealloc(piece, layout) };
}
