//! The other vCPUs: starting them, interrupting them, and switching them off.
//!
//! Follows Xen's `public/vcpu.h` (`VCPUOP_initialise`, `VCPUOP_up`, `VCPUOP_down`). A domain has as many vCPUs as its
//! configuration says, numbered from 0; only the first runs at the start. For each of the others this makes a block for gs, a
//! stack and an idle thread, registers where Xen and it meet, and hands Xen its [`context`]: there it begins, on its own stack,
//! as its own idle thread.
//!
//! [`set_online`] switches one off and on again. What changes their number from outside (`xl vcpu-set`) writes to xenstore, which
//! stage 5 reads, and calls it.
//!
//! Invariant: a vCPU is in [`online`]'s set only while it takes events and runs threads.

pub mod context;
mod start;
mod switch_off;

pub use start::StartError;
pub(crate) use start::{announce, let_others_interrupt, start_all};
pub(crate) use switch_off::leave;
pub use switch_off::{OnlineError, set_online};

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use crate::cpu_set::CpuSet;
use crate::scheduler::{ONLINE, Scheduler};

/// The vCPUs that run threads.
pub fn online() -> CpuSet {
    ONLINE.load()
}

/// The number of the vCPU that this runs on; by the time that it is used, the thread may run on another.
pub fn current() -> u32 {
    console::bedrock::cpu::current().id()
}

/// Whether there ever was another vCPU than the first.
static OTHERS_STARTED: AtomicBool = AtomicBool::new(false);

/// What a vCPU has done so far.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Its number.
    pub cpu: u32,
    /// For how long threads have run on it; without the one that runs, since it was switched to.
    pub busy: Duration,
    /// How often it went from a thread to another.
    pub switches: u64,
    /// How many threads are ready, but don't run.
    pub ready: usize,
}

/// What each vCPU that is on has done so far.
pub fn loads() -> impl Iterator<Item = Load> {
    Scheduler::online().map(Scheduler::load)
}

/// Has every vCPU forget what it knows of these addresses. Xen does it, for all vCPUs of the domain at once
/// (`MMUEXT_INVLPG_ALL` and `MMUEXT_TLB_FLUSH_ALL` in `public/xen.h`).
pub(crate) fn flush_everywhere(range: core::ops::Range<u64>) {
    const TLB_FLUSH_ALL: u64 = 10;
    const INVLPG_ALL: u64 = 11;
    const FEW: u64 = 4;
    let pages = (range.end.saturating_sub(range.start)).div_ceil(4096);
    // Not whether another one is online: one that is leaving still runs, one that comes runs before it says so, and one that is
    // off may come back to a processor that remembers.
    if !OTHERS_STARTED.load(Ordering::SeqCst) {
        return memory::tlb::flush_local(range);
    }
    if pages <= FEW {
        (0..pages).for_each(|page| mmu_operation(INVLPG_ALL, range.start + page * 4096));
    } else {
        mmu_operation(TLB_FLUSH_ALL, 0);
    }
}

fn mmu_operation(command: u64, address: u64) {
    use console::types::Domid;
    use console::xen::{hypercall, number};
    // `struct mmuext_op`
    let operation = [command, address, 0];
    let at = operation.as_ptr().expose_provenance() as u64;
    // SAFETY: Xen only reads the one operation, and forgetting translations harms nobody.
    let result = unsafe { hypercall(number::MMUEXT_OP, [at, 1, 0, Domid::SELF.0.into()]) };
    assert!(result.is_ok(), "Xen refused to flush {address:#x}: {result:?}");
}

impl Scheduler {
    fn load(&self) -> Load {
        Load {
            cpu: self.number(),
            busy: self.busy_time(),
            switches: self.switch_count().load(Ordering::Relaxed),
            ready: self.ready_count().load(Ordering::Relaxed),
        }
    }
}
