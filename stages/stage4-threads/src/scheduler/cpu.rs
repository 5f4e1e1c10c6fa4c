//! What the scheduler keeps for each vCPU.
//!
//! Invariant: once a vCPU has a scheduler it keeps it, also while it is off.

use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use alloc::boxed::Box;
use console::bedrock::cpu::{self, Cpu, Slot};
use console::lock::Lock;
use events::port::Binding;
use events::timer::Timer;

use super::lists::Lists;
use crate::cpu_set::{CpuSet, MOST, SharedCpuSet};
use crate::ready::ReadyQueue;
use crate::thread::Control;

/// The level of a vCPU that runs nothing: below all others.
pub(super) const IDLE_LEVEL: u8 = 0;
/// What is added to a thread's level where it is compared with [`IDLE_LEVEL`].
pub(super) const ABOVE_IDLE: u8 = 1;

/// Why a thread is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaving {
    /// It could go on.
    Ready,
    /// It could go on, but not on this vCPU.
    Elsewhere,
    /// It waits.
    Asleep,
    /// It has ended.
    Finished,
}

/// One vCPU's part of the scheduler.
#[repr(align(128))]
pub(crate) struct Scheduler {
    pub(super) cpu: u32,
    pub(super) ready: Lock<ReadyQueue<Lists>>,
    /// How many are in it.
    pub(super) count: AtomicUsize,
    /// The level of what runs, plus [`ABOVE_IDLE`].
    pub(super) running: AtomicU8,
    /// Something better than what runs may be ready.
    pub(super) reschedule: AtomicBool,
    /// When what runs was switched to, in ticks of this vCPU.
    pub(super) since: AtomicU64,
    /// Ticks in which something ran.
    pub(super) busy: AtomicU64,
    pub(super) switches: AtomicU64,
    pub(super) slice_armed: AtomicBool,
    pub(super) slice_timer: Lock<Option<Timer>>,
    idle_thread: AtomicPtr<Control>,
    /// Between a switch and what is done behind it: whom this vCPU has left, and why.
    pub(super) left: Cell<Option<(NonNull<Control>, Leaving)>>,
    /// By which others interrupt it.
    pub(crate) interrupt: Lock<Option<Binding>>,
    /// It is to switch itself off.
    pub(crate) leave: AtomicBool,
}

// SAFETY: the cell is used by the vCPU itself alone, with events masked.
unsafe impl Sync for Scheduler {}

static ALL: [AtomicPtr<Scheduler>; MOST] = [const { AtomicPtr::new(ptr::null_mut()) }; MOST];
/// Those that run threads.
pub(crate) static ONLINE: SharedCpuSet = SharedCpuSet::new(CpuSet::NONE);
/// Those that have nothing to run.
pub(crate) static IDLE: SharedCpuSet = SharedCpuSet::new(CpuSet::NONE);

impl Scheduler {
    /// Makes a vCPU's part, which stays for ever.
    pub(crate) fn create(block: &'static Cpu, idle: NonNull<Control>, running: &Control) -> &'static Self {
        let scheduler = Box::leak(Box::new(Self {
            cpu: block.id(),
            ready: Lock::new(ReadyQueue::new(Lists::EMPTY)),
            count: AtomicUsize::new(0),
            running: AtomicU8::new(running_level(running)),
            reschedule: AtomicBool::new(false),
            since: AtomicU64::new(events::clock::ticks()),
            busy: AtomicU64::new(0),
            switches: AtomicU64::new(0),
            slice_armed: AtomicBool::new(false),
            slice_timer: Lock::new(None),
            idle_thread: AtomicPtr::new(idle.as_ptr()),
            left: Cell::new(None),
            interrupt: Lock::new(None),
            leave: AtomicBool::new(false),
        }));
        running.cpu.store(block.id(), Ordering::Relaxed);
        running.on_cpu.store(true, Ordering::Relaxed);
        block.slot(Slot::Thread).store(ptr::from_ref(running).expose_provenance() as u64, Ordering::Relaxed);
        block.slot(Slot::Scheduler).store(ptr::from_ref(scheduler).expose_provenance() as u64, Ordering::Relaxed);
        ALL[block.id() as usize].store(scheduler, Ordering::Release);
        scheduler
    }

    /// The part of the vCPU that this runs on. Only with events masked it stays that.
    #[inline]
    pub(crate) fn here() -> Option<&'static Self> {
        let address = cpu::here(Slot::Scheduler) as usize;
        // SAFETY: the slot is 0 or leads to a scheduler, which stays for ever.
        unsafe { ptr::with_exposed_provenance::<Self>(address).as_ref() }
    }

    /// A vCPU's part.
    pub(crate) fn of(cpu: u32) -> Option<&'static Self> {
        let scheduler = ALL.get(cpu as usize)?.load(Ordering::Acquire);
        // SAFETY: null, or a scheduler, which stays for ever.
        unsafe { scheduler.as_ref() }
    }

    /// Those that run threads.
    pub(crate) fn online() -> impl Iterator<Item = &'static Self> {
        ONLINE.load().iter().filter_map(Self::of)
    }

    /// The thread that runs where no other does.
    pub(super) fn idle_thread(&self) -> &'static Control {
        // SAFETY: set in `create`, to a thread that never ends.
        unsafe { &*self.idle_thread.load(Ordering::Relaxed) }
    }

    /// The vCPU's number.
    pub(crate) fn number(&self) -> u32 {
        self.cpu
    }

    /// How many threads are ready.
    pub(crate) fn ready_count(&self) -> &AtomicUsize {
        &self.count
    }

    /// For how long something ran, without what runs since it was switched to.
    pub(crate) fn busy_time(&self) -> Duration {
        events::clock::span(self.busy.load(Ordering::Relaxed))
    }

    /// For how long what runs has run. Asked on this vCPU.
    pub(super) fn ran(&self) -> Duration {
        events::clock::span(events::clock::ticks().saturating_sub(self.since.load(Ordering::Relaxed)))
    }

    /// How often it went from a thread to another.
    pub(crate) fn switch_count(&self) -> &AtomicU64 {
        &self.switches
    }

    /// Has it look for something better to run.
    pub(crate) fn interrupt(&self) {
        self.reschedule.store(true, Ordering::SeqCst);
        if let Some(binding) = &*self.interrupt.lock() {
            let _ = console::xen::notify(binding.port());
        }
    }
}

/// A thread's level where it is compared with that of an idle vCPU.
pub(super) fn running_level(control: &Control) -> u8 {
    if control.idle { IDLE_LEVEL } else { control.level.load(Ordering::Relaxed) + ABOVE_IDLE }
}
