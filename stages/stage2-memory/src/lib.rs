//! Stage 2 of Stardust: the kernel owns all of its memory.
//!
//! Xen gives a guest frames from wherever it has them, and maps little more than the image. This crate makes memory
//! of it, from the bottom up:
//!
//! - [`translate`] knows which machine frame is behind which of ours;
//! - [`frames`] hands out frames, all of which the direct map shows ([`layout`]);
//! - [`page_tables`] maps frames anywhere, by means of [`mmu`], and [`tlb`] has processors forget what was mapped;
//! - [`area`] is for mappings on demand, [`stack`] for kernel stacks with guard pages;
//! - [`heap`] is what `Box` and `Vec` use;
//! - [`audit`] looks at all page tables and counts what must not be.
//!
//! Three files are exercises: `frame_allocator.rs` (2a), `mapping.rs` (2b) and `growth.rs` (2c). In front of them are
//! [`free_blocks`], [`page_tables`] and [`heap_space`], each with the trait that its exercise works on. References are
//! in `solutions/stage2-memory`.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod area;
pub mod audit;
mod bedrock;
mod bench;
pub mod block_tree;
pub mod demo;
pub mod entry;
pub mod frames;
pub mod free_blocks;
pub mod heap;
pub mod heap_space;
pub mod layout;
pub mod live_tables;
pub mod mmu;
pub mod page_tables;
pub mod reservation;
pub mod stack;
#[cfg(test)]
mod tests;
pub mod tlb;
pub mod translate;

#[cfg_attr(feature = "ref-frame-allocator", path = "../../../solutions/stage2-memory/frame_allocator.rs")]
#[forbid(unsafe_code)]
mod frame_allocator;

#[cfg_attr(feature = "ref-mapping", path = "../../../solutions/stage2-memory/mapping.rs")]
#[forbid(unsafe_code)]
mod mapping;

#[cfg_attr(feature = "ref-growth", path = "../../../solutions/stage2-memory/growth.rs")]
#[forbid(unsafe_code)]
mod growth;

pub use bedrock::region;
pub use console;
pub use demo::DEMOS;
pub use layout::direct_map;

use console::{Boot, println};

/// What this stage understands on the command line.
pub const KEYS: &[console::options::Key] = &[heap::KEY];

static STARTED: spin::Once<()> = spin::Once::new();

// ANCHOR: boot
/// Brings up stage 1, then memory: the direct map, the frame allocator, and the heap.
///
/// # Panics
/// If stage 1 does, and if there is too little memory to begin with.
pub fn boot(entry: &console::Entry) -> &'static Boot {
    static SHOWN: spin::Once<()> = spin::Once::new();
    let boot = console::boot(entry);
    prepare(entry);
    SHOWN.call_once(banner);
    boot
}

/// All of [`boot`], of this stage and the one below, without a word about it. The second call does nothing.
///
/// # Panics
/// As [`boot`].
pub fn prepare(entry: &console::Entry) -> &'static Boot {
    let boot = console::prepare(entry);
    STARTED.call_once(|| {
        translate::start(&boot.start_info);
        bedrock::region::start();
        frames::start(&boot.start_info);
        heap::start(boot.command_line.get("heap") == Some("watch"));
        console::bench::register(bench::BENCHMARKS);
    });
    boot
}
// ANCHOR_END: boot

fn banner() {
    let frames::Statistics { free, mapped, .. } = frames::statistics();
    println!("direct map: {:#x}, {} KiB mapped so far", layout::DIRECT_MAP.start, mapped * 4);
    println!("frames: {} KiB free", free * 4);
}
