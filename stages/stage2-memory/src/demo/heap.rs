//! `app=heap`: sizes, alignments and the end of memory; with `mistake=`, what the heap says to a bad program.
//!
//! The mistakes are found for certain while the heap is watched (`heap=watch`).

use alloc::alloc::{alloc, dealloc, realloc};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;

use console::boot_info::CommandLine;
use console::println;

use crate::frames;
use crate::heap;

/// The values of `mistake=`.
pub(super) const MISTAKES: &[&str] = &["double-free", "double-free-large", "use-after-free", "stranger"];

/// Uses the heap as it should be, or makes a mistake.
pub(super) fn heap(command_line: CommandLine<'_>) {
    match command_line.get("mistake") {
        Some("double-free") => free_twice(100),
        Some("double-free-large") => free_twice(100_000),
        Some("use-after-free") => use_after_free(),
        Some("stranger") => free_a_stranger(),
        _ => {
            alignments();
            growing();
            exhaustion();
        }
    }
    println!("the heap found nothing wrong");
}

fn alignments() {
    let (mut blocks, mut wrong) = (0, 0);
    for align in (0..=21).map(|bits| 1_usize << bits) {
        for size in [1, 24, 100, 2048, 2049, 5000] {
            let Ok(layout) = Layout::from_size_align(size, align) else { continue };
            let block = new(layout);
            blocks += 1;
            wrong += usize::from(block.is_null() || !block.addr().is_multiple_of(align));
            free(block, layout);
        }
    }
    println!("alignments to 2 MiB: {blocks} blocks, {wrong} wrong");
}

/// A block that moves through all sizes keeps what it holds.
fn growing() {
    let layout = |size| Layout::from_size_align(size, 8).unwrap_or(Layout::new::<u64>());
    let mut block = new(layout(8));
    let (mut size, mut wrong) = (8, 0);
    while size < 1 << 20 && !block.is_null() {
        // SAFETY: the block is ours, and so long.
        let bytes = unsafe { core::slice::from_raw_parts_mut(block, size) };
        bytes.iter_mut().zip(0_u8..=255).for_each(|(byte, value)| *byte = value);
        // SAFETY: the block has this layout.
        block = unsafe { realloc(block, layout(size), size * 3) };
        // SAFETY: as above; the new block is three times as long.
        let kept = unsafe { core::slice::from_raw_parts(block, size) };
        wrong += kept.iter().zip(0_u8..=255).filter(|(byte, value)| **byte != *value).count();
        size *= 3;
    }
    free(block, layout(size));
    println!("a block that grew to {} KiB: {wrong} bytes wrong", size >> 10);
}

fn exhaustion() {
    let before = heap::statistics();
    let total = frames::statistics().total as usize * 4096;
    let refused = [total, usize::MAX / 2, usize::MAX].map(|size| Vec::<u8>::new().try_reserve(size).is_err());
    println!("more than there is: refused {refused:?}");

    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    for size in [1 << 20, 64 << 10, 4 << 10, 256] {
        loop {
            let mut piece = Vec::new();
            if piece.try_reserve_exact(size).is_err() || pieces.try_reserve(1).is_err() {
                break;
            }
            piece.resize(size, 0xaa);
            bytes += size;
            pieces.push(piece);
        }
    }
    let wrong = pieces.iter().filter(|piece| piece.iter().any(|byte| *byte != 0xaa)).count();
    let held = pieces.len();
    drop(pieces);
    println!("held {} KiB in {held} pieces until nothing was left, {wrong} wrong", bytes >> 10);
    let after = heap::statistics();
    println!(
        "in use before {} and after {} bytes, {} refused",
        before.used,
        after.used,
        after.failures - before.failures
    );
    println!("and a new box holds {}", *Box::new(42));
}

fn free_twice(size: usize) {
    let Ok(layout) = Layout::from_size_align(size, 8) else { return };
    let block = new(layout);
    free(block, layout);
    println!("about to free {size} bytes twice");
    free(block, layout);
}

fn use_after_free() {
    let layout = Layout::new::<[u64; 12]>();
    let block = new(layout);
    free(block, layout);
    println!("about to write to a block that was freed");
    // SAFETY: none: the block isn't ours any more, which is the point. (The memory is the heap's, and mapped.)
    unsafe { block.wrapping_add(40).write_volatile(1) };
    let again = new(layout);
    free(again, layout);
}

fn free_a_stranger() {
    let layout = Layout::new::<[u64; 12]>();
    let outer = new(Layout::new::<[u64; 100]>());
    println!("about to free the middle of a block");
    free(outer.wrapping_add(48), layout);
}

fn new(layout: Layout) -> *mut u8 {
    // SAFETY: no layout here is empty.
    core::hint::black_box(unsafe { alloc(layout) })
}

fn free(block: *mut u8, layout: Layout) {
    // SAFETY: the block came from `new` with this layout; where that is not so, it is the demonstration.
    unsafe { dealloc(block, layout) };
}
