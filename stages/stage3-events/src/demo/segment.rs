//! A part of `app=exception`: a segment register whose segment is gone when Xen loads it, and so Xen's failsafe callback.
//!
//! Follows `set_gdt` and `update_descriptor` in Xen's `public/xen.h`. Xen loads the segment registers of a vCPU when it has
//! another processor than before: `xl vcpu-pin` sees to that.

use console::bedrock::cpu;
use console::println;
use console::types::Mfn;
use console::xen::hypercall;
use memory::frames;
use memory::translate::pfn_to_mfn;

use crate::clock;
use crate::xen::update_mapping;

const SET_GDT: u64 = 2;
const UPDATE_DESCRIPTOR: u64 = 10;

/// The second descriptor of the table, as the kernel asks for it.
const SELECTOR: u16 = 1 << 3 | 3;
/// A data segment of all addresses, to read and write.
const DATA: u64 = 0x00cf_f300_0000_ffff;

/// Loads ds with a segment, takes the segment away, and waits.
pub(super) fn lose() {
    match prepare() {
        Ok(descriptor) => {
            // SAFETY: the selector leads to a data segment, and 64-bit code uses none.
            unsafe { core::arch::asm!("mov ds, {:x}", in(reg) SELECTOR, options(nomem, nostack, preserves_flags)) };
            // SAFETY: Xen changes the descriptor, which nothing else uses.
            let gone = unsafe { hypercall(UPDATE_DESCRIPTOR, [descriptor, 0, 0, 0]) };
            println!("the segment of ds is gone: {gone:?}");
            wait();
        }
        Err(what) => println!("no segment: {what}"),
    }
}

/// Makes a table with one segment, and returns the machine address of its descriptor.
fn prepare() -> Result<u64, &'static str> {
    let run = frames::allocate_zeroed(1).map_err(|_| "no memory")?;
    let address = run.address();
    // SAFETY: the frame is nobody else's, and mapped there.
    unsafe { address.cast::<u64>().wrapping_add(1).write_volatile(DATA) };
    let frame = pfn_to_mfn(run.leak()).ok_or("no frame")?;
    read_only(address as u64, frame)?;
    let frames = [frame];
    let masked = cpu::mask_events();
    // SAFETY: Xen reads the list. The kernel's own segments are Xen's, in a part of the table that stays.
    let set = unsafe { hypercall(SET_GDT, [frames.as_ptr().expose_provenance() as u64, 2, 0, 0]) };
    cpu::restore_events(masked);
    set.map_err(|_| "Xen refuses the table")?;
    Ok((frame.0 << 12) + 8)
}

/// Xen wants no page of descriptors that could be written.
fn read_only(address: u64, frame: Mfn) -> Result<(), &'static str> {
    let entry = frame.0 << 12 | memory::entry::Access::Read.flags().bits();
    // SAFETY: from here on nothing writes to the page.
    unsafe { update_mapping(address, entry) }.map_err(|_| "the page can't be made read-only")
}

#[inline(never)]
fn wait() {
    let end = clock::now().after(core::time::Duration::from_secs(60));
    while clock::now() < end {
        core::hint::spin_loop();
    }
}
