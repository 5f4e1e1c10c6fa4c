//! What belongs to one vCPU, found through the gs register.
//!
//! Follows `struct vcpu_info` in Xen's `public/xen.h`, the word by which Xen and a vCPU agree on events: one byte says
//! that events are pending, the next that they are masked. It stands at the front of the block, so that one
//! instruction with a gs prefix reaches it: nothing can move a thread to another vCPU in the middle of
//! one instruction.
//!
//! Up to stage 2 events stay masked and Xen doesn't know of this block. Stage 3 registers it
//! (`VCPUOP_register_vcpu_info`); stage 4 makes one for each further vCPU. Invariant: from the first Rust code on, gs
//! leads to a block whose mask byte is the truth about this vCPU.

use core::cell::UnsafeCell;
use core::sync::atomic::AtomicU64;

#[cfg(guest)]
use super::raw_hypercall::{number, raw_hypercall};

/// Bytes of Xen's `struct vcpu_info`.
pub const VCPU_INFO_SIZE: usize = 64;

/// What a later stage keeps in a block: a word for each of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Slot {
    /// Stage 2: the blocks of the heap that this vCPU has at hand.
    Memory,
    /// Stage 3: nothing yet.
    Events,
    /// Stage 4: the thread that runs.
    Thread,
    /// Stage 4: this vCPU's scheduler.
    Scheduler,
}

const SLOTS: usize = 4;
#[cfg(guest)]
const SLOTS_OFFSET: usize = core::mem::offset_of!(Cpu, slots);

/// The block of one vCPU. It must not cross a page, which its alignment sees to.
#[repr(C, align(128))]
pub struct Cpu {
    vcpu_info: UnsafeCell<[u8; VCPU_INFO_SIZE]>,
    this: UnsafeCell<*const Cpu>,
    id: u32,
    slots: [AtomicU64; SLOTS],
}

// SAFETY: Xen and one vCPU write `vcpu_info`, by single instructions; `this` is written before anybody else knows
// of the block.
unsafe impl Sync for Cpu {}

static FIRST: Cpu = Cpu::new(0);

impl Cpu {
    /// A block in which events are masked.
    pub const fn new(id: u32) -> Self {
        let mut vcpu_info = [0; VCPU_INFO_SIZE];
        vcpu_info[1] = 1;
        Self {
            vcpu_info: UnsafeCell::new(vcpu_info),
            this: UnsafeCell::new(core::ptr::null()),
            id,
            slots: [const { AtomicU64::new(0) }; SLOTS],
        }
    }

    /// The number of the vCPU.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Where Xen and the vCPU meet.
    pub fn vcpu_info(&self) -> *mut u8 {
        self.vcpu_info.get().cast()
    }

    /// A later stage's word.
    pub fn slot(&self, slot: Slot) -> &AtomicU64 {
        &self.slots[slot as usize]
    }

    /// Makes a block that stays for ever fit to be found through gs, and returns the gs base that leads to it.
    pub fn prepare(&'static self) -> u64 {
        // SAFETY: no vCPU's gs leads here yet.
        unsafe { *self.this.get() = self };
        (&raw const *self).addr() as u64
    }
}

/// Has this vCPU's gs lead to the first block.
#[cfg(guest)]
pub(super) fn install() {
    const SEGBASE_GS_KERNEL: u64 = 2;
    let base = FIRST.prepare();
    // SAFETY: nothing uses gs before.
    let result = unsafe { raw_hypercall(number::SET_SEGMENT_BASE, [SEGBASE_GS_KERNEL, base, 0, 0]) };
    assert!(result == 0, "Xen refused the gs base: {result}");
}

/// There is no gs of ours in a host build.
#[cfg(not(guest))]
pub(super) fn install() {
    FIRST.prepare();
}

/// The block of the vCPU that this runs on. Unless events are masked, it may be another's by the time of its use.
#[inline]
pub fn current() -> &'static Cpu {
    #[cfg(guest)]
    {
        let this: *const Cpu;
        // SAFETY: gs leads to a block; only its own field is read.
        unsafe { core::arch::asm!("mov {}, gs:[64]", out(reg) this, options(nostack, readonly, preserves_flags)) };
        // SAFETY: blocks stay for ever.
        unsafe { &*this }
    }
    #[cfg(not(guest))]
    &FIRST
}

/// A later stage's word of the vCPU that this runs on, read by one instruction: where the word belongs to whatever runs, as
/// [`Slot::Thread`] does, it is the right one even if a thread moves to another vCPU at any moment.
#[inline]
pub fn here(slot: Slot) -> u64 {
    #[cfg(guest)]
    {
        let value: u64;
        let offset = SLOTS_OFFSET + size_of::<u64>() * slot as usize;
        // SAFETY: gs leads to a block, and the offset to one of its slots.
        unsafe {
            core::arch::asm!("mov {}, gs:[{}]", out(reg) value, in(reg) offset,
                options(nostack, readonly, preserves_flags));
        }
        value
    }
    #[cfg(not(guest))]
    FIRST.slot(slot).load(core::sync::atomic::Ordering::Relaxed)
}

/// Whether events are masked on this vCPU.
#[inline]
pub fn events_masked() -> bool {
    #[cfg(guest)]
    {
        let mask: u32;
        // SAFETY: reads the mask byte alone.
        unsafe {
            core::arch::asm!("movzx {:e}, byte ptr gs:[1]", out(reg) mask, options(nostack, readonly, preserves_flags));
        }
        mask != 0
    }
    #[cfg(not(guest))]
    true
}

/// Masks events on this vCPU. Returns whether they were masked before.
#[inline]
pub fn mask_events() -> bool {
    #[cfg(guest)]
    {
        let before: u32;
        // SAFETY: reads and writes the mask byte alone. Between the two the thread may move to another vCPU, but only
        // while events are not masked, and there they aren't either.
        unsafe {
            core::arch::asm!("movzx {:e}, byte ptr gs:[1]", "mov byte ptr gs:[1], 1", out(reg) before,
                options(nostack, preserves_flags));
        }
        before != 0
    }
    #[cfg(not(guest))]
    true
}

/// Undoes [`mask_events`]: unmasks events if they weren't masked `before`, and takes those that came meanwhile.
#[inline]
pub fn restore_events(before: bool) {
    #[cfg(guest)]
    if !before {
        let pending: u32;
        // SAFETY: writes the mask byte and reads the pending byte. Xen delivers what comes after the write; what had
        // come before it is in the pending byte. If the thread moves in between, its old vCPU has been interrupted
        // and knows.
        unsafe {
            core::arch::asm!("mov byte ptr gs:[1], 0", "movzx {:e}, byte ptr gs:[0]", out(reg) pending,
                options(nostack, preserves_flags));
        }
        if pending != 0 {
            take_pending();
        }
    }
    #[cfg(not(guest))]
    let _ = before;
}

/// Any hypercall has Xen deliver what is pending on the way back; this one does nothing else.
#[cfg(guest)]
#[cold]
fn take_pending() {
    // SAFETY: asks for Xen's version, which takes no pointer and changes nothing.
    let _ = unsafe { raw_hypercall(number::XEN_VERSION, [0, 0, 0, 0]) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_the_layout_that_the_instructions_know() {
        assert_eq!(core::mem::offset_of!(Cpu, vcpu_info), 0);
        assert_eq!(core::mem::offset_of!(Cpu, this), 64);
        assert_eq!(size_of::<Cpu>(), 128);
    }

    #[test]
    fn a_new_block_has_its_events_masked() {
        let cpu = Cpu::new(3);
        // SAFETY: the block is only ours.
        assert_eq!(unsafe { &*cpu.vcpu_info.get() }[1], 1);
        assert_eq!(cpu.id(), 3);
    }
}
