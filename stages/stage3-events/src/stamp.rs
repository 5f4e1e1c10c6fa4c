//! What stands before each message of the log: when, on which vCPU, and from stage 4 on in which thread.
//!
//! `[    0.012345 cpu 0] info: ...`: seconds since the guest booted, to the microsecond.
//!
//! Invariant: nothing here locks, so a message can be logged wherever the console can be used.

use core::fmt;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use console::bedrock::cpu;
use console::logger::{self, Stamp};

use crate::clock;

static THREAD: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Has messages begin with the time and the vCPU.
pub(crate) fn start() {
    logger::set_stamp(stamp);
}

/// Has `thread` write the name of the thread that runs, with a blank before it, or nothing.
pub fn set_thread(thread: Stamp) {
    THREAD.store(thread as *mut (), Ordering::Release);
}

fn stamp(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let microseconds = clock::now().0 / 1000;
    let cpu = cpu::current().id();
    write!(f, "[{:>5}.{:06} cpu {cpu}", microseconds / 1_000_000, microseconds % 1_000_000)?;
    let thread = THREAD.load(Ordering::Acquire);
    if !thread.is_null() {
        // SAFETY: only `set_thread` stores a pointer that isn't null, and it was made of such a function.
        let thread = unsafe { mem::transmute::<*mut (), Stamp>(thread) };
        thread(f)?;
    }
    f.write_str("] ")
}
