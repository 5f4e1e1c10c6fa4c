//! Starting a vCPU.
//!
//! Invariant: everything that a vCPU needs for its first exception or event is there before it starts.

use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;

use alloc::boxed::Box;
use alloc::vec::Vec;
use console::Errno;
use console::bedrock::cpu::{self, Cpu};
use console::println;
use console::types::Mfn;
use console::xen::{self, hypercall, number};
use events::port::{self, PortError};
use events::vcpu::RegisterError;
use events::{clock, entry};

use super::context::{self, VcpuContext, VcpuStart};
use crate::cpu_set::MOST;
use crate::scheduler::{self, ONLINE, Scheduler};
use crate::thread::{self, SpawnError};

/// How long all vCPUs together may take to start. An emulated machine needs up to a second for a few dozen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a vCPU does not start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartError {
    /// There is no memory for its thread.
    Thread(SpawnError),
    /// It can't take events.
    Events(RegisterError),
    /// Others can't interrupt it.
    Interrupt(PortError),
    /// Xen refuses.
    Refused(Errno),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread(error) => fmt::Display::fmt(error, f),
            Self::Events(error) => fmt::Display::fmt(error, f),
            Self::Interrupt(error) => fmt::Display::fmt(error, f),
            Self::Refused(error) => write!(f, "Xen refuses: {error}"),
        }
    }
}

impl core::error::Error for StartError {}

impl From<SpawnError> for StartError {
    fn from(error: SpawnError) -> Self {
        Self::Thread(error)
    }
}

impl From<PortError> for StartError {
    fn from(error: PortError) -> Self {
        Self::Interrupt(error)
    }
}

impl From<RegisterError> for StartError {
    fn from(error: RegisterError) -> Self {
        Self::Events(error)
    }
}

impl From<Errno> for StartError {
    fn from(error: Errno) -> Self {
        Self::Refused(error)
    }
}

// ANCHOR: start_all
/// Starts all vCPUs but the first, which this runs on, and waits until they are up. One that can't be started is named, and left
/// out.
pub(crate) fn start_all() {
    let count = xen::vcpu_count().min(MOST as u32);
    let started: Vec<u32> = (1..count)
        .filter(|cpu| match start(*cpu) {
            Ok(()) => true,
            Err(error) => {
                println!("cpu {cpu} does not start: {error}");
                false
            }
        })
        .collect();
    let deadline = clock::now().after(PATIENCE);
    for cpu in started {
        while !ONLINE.contains(cpu) && clock::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        if !ONLINE.contains(cpu) {
            println!("cpu {cpu} was started, but does not run");
        }
    }
}
// ANCHOR_END: start_all

/// Starts one vCPU.
fn start(id: u32) -> Result<(), StartError> {
    const VCPUOP_INITIALISE: u64 = 0;
    let block: &'static Cpu = Box::leak(Box::new(Cpu::new(id)));
    let gs_base = block.prepare();
    let (idle, stack_top) = thread::spawn_idle(id)?;
    let scheduler = Scheduler::create(block, idle.into(), idle);
    memory::heap::add_cpu(block);
    events::vcpu::register(block)?;
    let_others_interrupt(scheduler)?;

    let [traps @ .., _end] = entry::trap_table();
    let start = VcpuStart {
        entry: begin as *const () as u64,
        argument: id.into(),
        stack_top,
        page_table: page_table(),
        gs_base,
        traps,
        event: entry::event_address(),
        failsafe: entry::failsafe_address(),
    };
    let mut context = Box::new(VcpuContext::zeroed());
    context::fill(&mut context, &start);
    context.debug = console::bedrock::debug_registers();
    let address = (&raw const *context).expose_provenance() as u64;
    // SAFETY: Xen copies the context. The vCPU begins on a stack of its own, with everything set that it needs.
    unsafe { hypercall(number::VCPU_OP, [VCPUOP_INITIALISE, id.into(), address, 0]) }?;
    super::OTHERS_STARTED.store(true, Ordering::SeqCst); // before it can remember anything
    up(id)?;
    Ok(())
}

/// Has a vCPU run that was initialised, and perhaps switched off.
pub(super) fn up(id: u32) -> Result<(), Errno> {
    const VCPUOP_UP: u64 = 1;
    // SAFETY: it begins where its context says, or goes on where it was switched off.
    unsafe { hypercall(number::VCPU_OP, [VCPUOP_UP, id.into(), 0, 0]) }.map(|_| ())
}

/// Opens the port by which others interrupt a vCPU.
pub(crate) fn let_others_interrupt(scheduler: &Scheduler) -> Result<(), PortError> {
    let binding = port::bind_ipi(scheduler.number(), interrupted, 0)?;
    *scheduler.interrupt.lock() = Some(binding);
    Ok(())
}

/// The handler of interrupts by other vCPUs. There is nothing to do: what follows every upcall looks for better threads, and an
/// idle thread looks when it has been interrupted.
fn interrupted(_: usize) {}

/// The frame of the top-level page table, which all vCPUs share.
fn page_table() -> Mfn {
    #[cfg(guest)]
    {
        let value: u64;
        // SAFETY: Xen emulates the read.
        unsafe { core::arch::asm!("mov {}, cr3", out(reg) value, options(nomem, nostack, preserves_flags)) };
        Mfn(value >> 12)
    }
    #[cfg(not(guest))]
    Mfn(0)
}

// ANCHOR: ap
/// Where a vCPU begins: events masked, on its idle thread's stack.
unsafe extern "sysv64" fn begin(id: u64) -> ! {
    if let Err(error) = events::vcpu::start() {
        panic!("vCPU {id} can't take events: {error}");
    }
    online();
    scheduler::idle_loop()
}
// ANCHOR_END: ap

/// Names the vCPUs that are up.
pub(crate) fn announce() {
    for cpu in ONLINE.load().iter() {
        println!("cpu {cpu} up");
    }
}

/// Tells that this vCPU is there.
pub(super) fn online() {
    let here = cpu::current().id();
    port::arrive(here);
    ONLINE.insert(here);
}
