//! What stage 2 has to measure: frames, blocks of the heap, mappings.
//!
//! Invariant: each gives back what it takes, but for the direct map: what is mapped on first use stays mapped.

use alloc::vec::Vec;
use core::hint::black_box;

use console::bench::{Bencher, Benchmark};
use console::types::PAGE_SIZE;

use crate::area::Area;
use crate::bedrock::direct_map::PIECE;
use crate::entry::Access;
use crate::frames::{self, FrameRun};
use crate::translate::pfn_to_mfn;

pub(crate) const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "frame-alloc-free", run: |bencher| bencher.iter(|| frames::allocate(1)) },
    Benchmark { name: "heap-alloc-free-64", run: |bencher| bencher.iter(block::<64>) },
    Benchmark { name: "heap-alloc-free-4096", run: |bencher| bencher.iter(block::<4096>) },
    Benchmark { name: "page-map", run: |bencher| pages(bencher, Timed::Map) },
    Benchmark { name: "page-map-unmap", run: |bencher| pages(bencher, Timed::MapAndUnmap) },
    Benchmark { name: "direct-map-2-mib", run: direct_map },
];

/// Takes a block from the heap, and gives it back.
#[inline(always)]
fn block<const SIZE: usize>() {
    drop(black_box(Vec::<u8>::with_capacity(SIZE)));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Timed {
    Map,
    MapAndUnmap,
}

/// Maps one of our frames at an address that was reserved before.
fn pages(bencher: &mut Bencher, timed: Timed) {
    let (Ok(mut area), Ok(frame)) = (Area::reserve(PAGE_SIZE), frames::allocate(1)) else { return };
    let Some(mfn) = pfn_to_mfn(frame.first()) else { return };
    while bencher.wants_more() {
        let done = match timed {
            Timed::Map => bencher.time(|| area.map(0, &[mfn], Access::ReadWrite)).and_then(|()| area.unmap(0, 1)),
            Timed::MapAndUnmap => {
                bencher.time(|| area.map(0, &[mfn], Access::ReadWrite).and_then(|()| area.unmap(0, 1)))
            }
        };
        if done.is_err() {
            return;
        }
    }
}

/// Takes runs for which the direct map has to grow by a piece.
fn direct_map(bencher: &mut Bencher) {
    const MOST: usize = 16;
    let mut taken: [Option<FrameRun>; MOST] = [const { None }; MOST];
    for slot in &mut taken {
        let before = frames::statistics().mapped;
        let begin = console::bench::ticks();
        let run = frames::allocate(PIECE);
        let ticks = console::bench::ticks().wrapping_sub(begin);
        if frames::statistics().mapped == before + PIECE {
            bencher.sample(ticks);
        }
        let Ok(run) = run else { return };
        *slot = Some(run);
    }
}
