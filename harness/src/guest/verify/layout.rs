//! The rules on segments: what Xen's loader accepts, and that no memory is writable and executable.
//!
//! Follows Xen's `common/libelf/libelf-dominfo.c`: a segment is placed by `p_paddr`
//! alone, guest frame 0 lies at `VIRT_BASE`, and the kernel's own page permissions come from the same
//! boundaries. A page has one permission, so segments of different ones share none.

use super::{Finding, Rule};
use crate::guest::VIRT_BASE;
use crate::guest::elf::{Linked, Segment};
use object::elf::{PF_R, PT_DYNAMIC, PT_INTERP, PT_TLS};

const PAGE: u64 = 4096;
const SCRIPT: &str = "mend the linker script: one PT_LOAD for text (5), constants (4) and data (6), page aligned";
const PHYSICAL: &str = "give the section `AT(ADDR(section) - VIRT_BASE)` in the linker script";
const STATIC: &str = "link with `-static --no-pie`, and let no crate ask for a dynamic library";

/// What the segments do wrong.
pub fn findings(linked: &Linked<'_>) -> Vec<Finding> {
    let mut found = permissions(linked);
    found.extend(placement(linked));
    for (kind, name, next) in [
        (PT_DYNAMIC, "PT_DYNAMIC: it expects a dynamic linker", STATIC),
        (PT_INTERP, "PT_INTERP: it expects an interpreter", STATIC),
        (PT_TLS, "PT_TLS: nothing sets up thread-local storage", "use per-CPU or per-thread data of the kernel"),
    ] {
        if linked.segments.iter().any(|segment| segment.kind == kind) {
            found.push(Finding::new(Rule::Layout, format!("the image has a {name}"), next));
        }
    }
    found
}

fn permissions(linked: &Linked<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |what: String| found.push(Finding::new(Rule::Permissions, what, SCRIPT));
    for segment in linked.loads() {
        if segment.executable() && segment.writable() {
            add(format!("the segment at {} is writable and executable", range(segment)));
        } else if segment.executable() && segment.flags & PF_R == 0 {
            add(format!("the segment at {} is executable but cannot be read", range(segment)));
        }
    }
    if !linked.loads().any(Segment::executable) {
        add("no segment is executable".into());
    }
    let marks = [linked.section(".rodata"), linked.symbol("_rodata_start")];
    if let Some(segment) = marks.iter().flatten().find_map(|mark| linked.loads().find(|s| s.holds(mark.0))) {
        for (wrong, name) in [(segment.writable(), "writable"), (segment.executable(), "executable")] {
            if wrong {
                add(format!("constants (.rodata) lie in the {name} segment at {}", range(segment)));
            }
        }
    }
    let mut sorted: Vec<_> = linked.loads().collect();
    sorted.sort_by_key(|segment| segment.address);
    for pair in sorted.windows(2) {
        let (low, high) = (pair[0], pair[1]);
        let shared = low.end() > high.address - high.address % PAGE;
        if shared && low.end() <= high.address && low.flags != high.flags {
            add(format!("the segments at {} and {} share a page but not its permissions", range(low), range(high)));
        }
    }
    found
}

fn placement(linked: &Linked<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |what: String, next| found.push(Finding::new(Rule::Layout, what, next));
    let lowest = linked.loads().map(|segment| segment.physical).min();
    match lowest {
        None => add("the image has no segment to load (PT_LOAD)".into(), SCRIPT),
        Some(0) => {}
        Some(other) => add(format!("physical addresses (p_paddr) begin at {other:#x}; Xen wants 0"), PHYSICAL),
    }
    for segment in linked.loads() {
        let expected = segment.address.wrapping_sub(VIRT_BASE);
        if segment.physical != expected {
            let physical = segment.physical;
            add(
                format!("the segment at {} has p_paddr {physical:#x}; Xen would map it elsewhere", range(segment)),
                PHYSICAL,
            );
        }
        if segment.address < VIRT_BASE || segment.address.checked_add(segment.size).is_none() {
            add(format!("the segment at {} lies outside of {VIRT_BASE:#x} and up", range(segment)), SCRIPT);
        }
    }
    let mut sorted: Vec<_> = linked.loads().collect();
    sorted.sort_by_key(|segment| segment.address);
    for pair in sorted.windows(2).filter(|pair| pair[0].end() > pair[1].address) {
        add(format!("the segments at {} and {} overlap", range(pair[0]), range(pair[1])), SCRIPT);
    }
    if !linked.loads().any(|segment| segment.executable() && segment.holds(linked.entry)) {
        add(format!("the entry point {:#x} is not in text", linked.entry), "name it by ENTRY(_start)");
    }
    found
}

fn range(segment: &Segment<'_>) -> String {
    format!("{:#x}..{:#x}", segment.address, segment.end())
}
