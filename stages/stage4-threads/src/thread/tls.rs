//! A thread's own data: where its fs register leads.
//!
//! The kernel itself doesn't use fs. What `#[thread_local]`, C's `errno` and a C library's thread block are built on is that each
//! thread has its own (System V ABI, "Thread-Local Storage"). Stage 3 has turned on the instructions for it.
//!
//! Invariant: a thread that runs has its own base in fs.

use core::sync::atomic::Ordering;

use crate::scheduler;

/// Where the running thread's fs leads; 0 if nobody has set it.
pub fn fs_base() -> u64 {
    scheduler::current().fs_base.load(Ordering::Relaxed)
}

/// Has the running thread's fs lead to `base`.
///
/// # Safety
/// Code of this thread that uses fs must find there what it expects.
pub unsafe fn set_fs_base(base: u64) {
    let masked = console::bedrock::cpu::mask_events();
    scheduler::current().fs_base.store(base, Ordering::Relaxed);
    load(base);
    console::bedrock::cpu::restore_events(masked);
}

/// Loads fs on this vCPU.
pub(crate) fn load(base: u64) {
    #[cfg(guest)]
    // SAFETY: the kernel doesn't use fs, and the instruction was turned on.
    unsafe {
        core::arch::asm!("wrfsbase {}", in(reg) base, options(nostack, preserves_flags, nomem));
    }
    #[cfg(not(guest))]
    let _ = base;
}
