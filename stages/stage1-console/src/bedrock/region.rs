//! What lies at an address, in a word for a report.
//!
//! Follows the layout of a PV guest's address space (`public/arch-x86/xen-x86_64.h`, and what `tools/libs/guest/xg_dom_x86.c` builds).

use super::image::Image;
use super::{report, start};

/// Xen's table from machine to pseudo-physical frames, readable for guests.
const MACHINE_TO_PHYSICAL: core::ops::Range<u64> = 0xffff_8000_0000_0000..0xffff_8040_0000_0000;
/// What Xen keeps for itself.
const XEN: core::ops::Range<u64> = 0xffff_8000_0000_0000..0xffff_8800_0000_0000;

/// The name of what lies at `address`, if anybody knows.
pub(super) fn name(address: u64) -> Option<&'static str> {
    let image = Image::running();
    let known = [
        (0..4096, "the null page"),
        (image.text, "text"),
        (image.rodata, "rodata"),
        (start::boot_stack_guard(), "the guard page of the boot stack"),
        (start::boot_stack(), "the boot stack"),
        (image.data, "data"),
        (image.symbols, "the symbol table"),
        (MACHINE_TO_PHYSICAL, "Xen's machine-to-physical table"),
        (XEN, "Xen's own memory"),
    ];
    let found = known.iter().find(|(range, _)| range.contains(&address)).map(|(_, name)| *name);
    found.or_else(|| (report::hooks().region)(address))
}
