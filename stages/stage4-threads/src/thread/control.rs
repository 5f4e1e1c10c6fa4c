//! What the kernel keeps about a thread.
//!
//! A [`Control`] is shared by whoever has a [`Thread`], and by the thread itself until it has ended and nobody runs on its
//! stack any more. Lists of threads are linked through it, so that none of them ever needs memory.
//!
//! Invariants: `rsp` and `next` belong to whoever holds the thread just then (the vCPU that leaves or enters it, the lock of the
//! list it is in); the last [`Thread`] that goes frees the stack, and is never one that lives on that stack.

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use alloc::alloc::{Layout, alloc};
use alloc::boxed::Box;
use memory::stack::Stack;

use super::name::Name;
use crate::cpu_set::{CpuSet, SharedCpuSet};
use crate::park::Parking;
use crate::sync::Completion;
use crate::sync::order::Held;

/// What the kernel keeps about a thread.
pub(crate) struct Control {
    pub(crate) number: u64,
    pub(crate) name: Name,
    pub(crate) parking: Parking,
    /// [`Thread::unpark`] was called, and no `park` has returned for it yet.
    pub(crate) called: AtomicBool,
    /// Where its registers are while it doesn't run.
    pub(crate) rsp: UnsafeCell<u64>,
    /// The next thread of the list it is in.
    pub(crate) next: Cell<Option<NonNull<Control>>>,
    /// A vCPU runs on its stack, be it to leave it.
    pub(crate) on_cpu: AtomicBool,
    /// In a run queue.
    pub(crate) ready: AtomicBool,
    pub(crate) level: AtomicU8,
    pub(crate) affinity: SharedCpuSet,
    /// Where it runs, or ran last.
    pub(crate) cpu: AtomicU32,
    /// Ticks, without those since it was switched to.
    pub(crate) run_time: AtomicU64,
    pub(crate) fs_base: AtomicU64,
    pub(crate) idle: bool,
    pub(crate) finished: Completion,
    /// Its place in the list of all threads.
    pub(crate) index: AtomicUsize,
    /// Touched by the thread itself alone.
    #[cfg_attr(not(guest), allow(dead_code, reason = "host builds look at threads of std"))]
    pub(super) held: UnsafeCell<Held>,
    pub(super) stack: Option<Stack>,
    /// The thread has left its result, or nobody wants it.
    pub(super) parted: AtomicBool,
    references: AtomicUsize,
}

// SAFETY: the cells belong to whoever holds the thread, as the invariant says; the rest is atomic or doesn't change.
unsafe impl Sync for Control {}
// SAFETY: as above.
unsafe impl Send for Control {}

impl Control {
    /// For how long the thread has run, without the time since it was switched to.
    pub(super) fn run_time(&self) -> Duration {
        events::clock::span(self.run_time.load(Ordering::Relaxed))
    }
}

/// What a thread begins with.
pub(crate) struct Properties {
    pub(crate) name: Name,
    pub(crate) level: u8,
    pub(crate) affinity: CpuSet,
    pub(crate) idle: bool,
}

/// A thread, as others know it.
pub struct Thread(NonNull<Control>);

// SAFETY: a counted reference to something that is `Sync`.
unsafe impl Send for Thread {}
// SAFETY: as above.
unsafe impl Sync for Thread {}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Thread {
    /// A new thread's control block, of which this is the one reference; `None` if there is no memory.
    pub(crate) fn allocate(properties: Properties, stack: Option<Stack>) -> Option<Self> {
        let control = Control {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            name: properties.name,
            parking: Parking::new(),
            called: AtomicBool::new(false),
            rsp: UnsafeCell::new(0),
            next: Cell::new(None),
            on_cpu: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            level: AtomicU8::new(properties.level),
            affinity: SharedCpuSet::new(properties.affinity),
            cpu: AtomicU32::new(0),
            run_time: AtomicU64::new(0),
            fs_base: AtomicU64::new(0),
            idle: properties.idle,
            finished: Completion::new(),
            index: AtomicUsize::new(usize::MAX),
            held: UnsafeCell::new(Held::default()),
            stack,
            parted: AtomicBool::new(false),
            references: AtomicUsize::new(1),
        };
        if let Some(stack) = &control.stack {
            stack.label(format_args!("thread {} ({})", control.number, control.name));
        }
        // SAFETY: the layout isn't empty.
        let place = NonNull::new(unsafe { alloc(Layout::new::<Control>()) })?.cast::<Control>();
        // SAFETY: the place was just allocated for it.
        unsafe { place.write(control) };
        Some(Self(place))
    }

    /// One more reference to a thread that is there for certain.
    pub(crate) fn of(control: &Control) -> Self {
        control.references.fetch_add(1, Ordering::Relaxed);
        Self(NonNull::from(control))
    }

    /// Its control block, without counting; to be given back to [`from_raw`](Self::from_raw).
    pub(crate) fn into_raw(self) -> NonNull<Control> {
        let control = self.0;
        core::mem::forget(self);
        control
    }

    /// The reference that was made a pointer.
    ///
    /// # Safety
    /// `control` must come from [`into_raw`](Self::into_raw), once.
    pub(crate) unsafe fn from_raw(control: NonNull<Control>) -> Self {
        Self(control)
    }

    pub(crate) fn control(&self) -> &Control {
        // SAFETY: it stays as long as there is a reference.
        unsafe { self.0.as_ref() }
    }

    /// Its number, which no other thread has or had.
    pub fn number(&self) -> u64 {
        self.control().number
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.control().name.as_str()
    }

    /// For how long it has run, without the time since it was switched to.
    pub fn run_time(&self) -> Duration {
        self.control().run_time()
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.control().finished.is_complete()
    }

    /// Has its next, or current, [`park`](crate::thread::park) return. It may be called from anywhere.
    pub fn unpark(&self) {
        self.control().called.swap(true, Ordering::AcqRel);
        self.rouse();
    }

    /// Ends its sleep, or the next one that begins, whatever it is for.
    pub(crate) fn rouse(&self) {
        crate::scheduler::wake(self.control());
        crate::scheduler::after_wake();
    }

    /// Called once by the thread when it has left its result, and once by its handle when it goes. `true` for the second of
    /// the two: nobody else will look at the result, and it has to be dropped.
    pub(super) fn part(&self) -> bool {
        self.control().parted.swap(true, Ordering::AcqRel)
    }

    /// The addresses of its stack; `None` for the thread that runs on the boot stack.
    pub fn stack(&self) -> Option<core::ops::Range<u64>> {
        self.control().stack.as_ref().map(Stack::range)
    }
}

impl Clone for Thread {
    fn clone(&self) -> Self {
        Self::of(self.control())
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.control().references.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        core::sync::atomic::fence(Ordering::Acquire);
        // SAFETY: this was the last reference, and the block came from the global allocator with the same layout.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {} ({})", self.number(), self.name())
    }
}
