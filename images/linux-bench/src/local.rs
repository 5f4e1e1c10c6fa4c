//! What one thread asks of Linux: a system call, memory, a mapping, a signal, a sleep.

use super::{SAMPLES, repeat, ticks, ticks_in};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap as map};
use std::alloc::{Layout, alloc, dealloc};
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// `pthread_mutex_t`, which is all zeros to begin with.
#[repr(C, align(8))]
struct Mutex(UnsafeCell<[u8; 40]>);

unsafe extern "C" {
    safe fn getppid() -> c_int;
    safe fn pthread_mutex_lock(mutex: &Mutex) -> c_int;
    safe fn pthread_mutex_unlock(mutex: &Mutex) -> c_int;
    fn mmap(address: *mut c_void, length: usize, access: c_int, flags: c_int, file: c_int, offset: i64) -> *mut c_void;
    fn munmap(address: *mut c_void, length: usize) -> c_int;
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    safe fn raise(number: c_int) -> c_int;
}

/// The shortest system call.
pub fn system_call() -> Option<Vec<u64>> {
    Some(repeat(|| getppid()))
}

/// An allocation and its end.
pub fn malloc_free(size: usize) -> Option<Vec<u64>> {
    let layout = Layout::from_size_align(size, 8).ok()?;
    Some(repeat(|| {
        // SAFETY: the size isn't 0.
        let memory = black_box(unsafe { alloc(layout) });
        if !memory.is_null() {
            // SAFETY: it was allocated with this layout, and nobody has it.
            unsafe { dealloc(memory, layout) };
        }
    }))
}

/// A mutex that nobody else wants.
pub fn lock_unlock() -> Option<Vec<u64>> {
    let mutex = Mutex(UnsafeCell::new([0; 40]));
    Some(repeat(|| (pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex))))
}

/// A page that is there already, mapped.
pub fn map_shared_page() -> Option<Vec<u64>> {
    const PAGE: usize = 4096;
    let file = memfd_create("page", MemfdFlags::empty()).ok()?;
    ftruncate(&file, PAGE as u64).ok()?;
    let flags = MapFlags::SHARED | MapFlags::POPULATE;
    let sample = |_| {
        let begin = ticks();
        // SAFETY: a new mapping wherever the kernel likes.
        let page = unsafe { map(std::ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::WRITE, flags, &file, 0) };
        let took = ticks() - begin;
        // SAFETY: nothing refers to it.
        page.ok().filter(|page| unsafe { munmap(*page, PAGE) } == 0).map(|_| took)
    };
    (0..SAMPLES).map(sample).collect()
}

/// A page from the kernel: mapped, touched, given back.
pub fn map_touch_unmap() -> Option<Vec<u64>> {
    const PAGE: usize = 4096;
    const READ_WRITE: c_int = 3;
    const PRIVATE_ANONYMOUS: c_int = 0x22;
    let mut refused = false;
    let samples = repeat(|| {
        // SAFETY: a new mapping wherever the kernel likes.
        let page = unsafe { mmap(std::ptr::null_mut(), PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0) };
        if page.addr() == usize::MAX {
            refused = true;
            return;
        }
        // SAFETY: the page is mapped, writable, and ours.
        unsafe { page.cast::<u8>().write_volatile(1) };
        // SAFETY: nothing refers to it.
        unsafe { munmap(page, PAGE) };
    });
    (!refused).then_some(samples)
}

/// From raising a signal to the first line of its handler.
pub fn signal_to_handler() -> Option<Vec<u64>> {
    const SIGUSR1: c_int = 10;
    static HANDLED: AtomicU64 = AtomicU64::new(0);
    extern "C" fn handler(_: c_int) {
        HANDLED.store(ticks(), Ordering::Relaxed);
    }
    // SAFETY: the handler only reads a counter and stores it.
    unsafe { signal(SIGUSR1, handler) };
    let sample = |_| {
        let begin = ticks();
        raise(SIGUSR1);
        HANDLED.load(Ordering::Relaxed).checked_sub(begin)
    };
    (0..SAMPLES).map(sample).collect()
}

/// How much longer than a millisecond a sleep of a millisecond lasts.
pub fn sleep_lateness() -> Option<Vec<u64>> {
    const TIME: Duration = Duration::from_millis(1);
    let asked = ticks_in(TIME)?;
    let samples = repeat(|| std::thread::sleep(TIME));
    Some(samples.into_iter().map(|ticks| ticks.saturating_sub(asked)).collect())
}
