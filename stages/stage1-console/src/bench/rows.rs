//! What stage 1 has to measure.
//!
//! Invariant: each is one call of something that guests do all the time, on private data, so that it leaves nothing
//! behind that would change the next.

use core::hint::black_box;

use super::{Bencher, Benchmark, TO_BANNER, TO_MAIN};
use crate::console_ring::{self, OUT_SIZE, OutRing};
use crate::types::Port;
use crate::xen;

pub(super) const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "boot-to-banner", run: |bencher| TO_BANNER.sample(bencher) },
    Benchmark { name: "boot-to-main", run: |bencher| TO_MAIN.sample(bencher) },
    Benchmark { name: "loop-of-2001", run: |bencher| bencher.iter(loop_of_2001) },
    Benchmark { name: "hypercall", run: |bencher| bencher.iter(xen::version) },
    Benchmark { name: "event-send-refused", run: |bencher| bencher.iter(|| xen::notify(Port(0))) },
    Benchmark { name: "console-write-64", run: console_write },
];

/// Takes 2001 instructions: `harness bench` looks whether a tick is one where it has to be.
#[inline(always)]
fn loop_of_2001() {
    #[cfg(guest)]
    // SAFETY: counts a register down to 0 and touches nothing else.
    unsafe {
        core::arch::asm!("mov {0:e}, 1000", "2:", "dec {0:e}", "jnz 2b", out(reg) _, options(nomem, nostack));
    }
}

/// Puts 64 bytes into a console ring whose reader has taken everything.
fn console_write(bencher: &mut Bencher) {
    let mut ring = Drained { bytes: [0; OUT_SIZE], producer: 0 };
    let text = [b'x'; 64];
    bencher.iter(|| console_ring::write(black_box(&mut ring), black_box(&text)));
}

struct Drained {
    bytes: [u8; OUT_SIZE],
    producer: u32,
}

impl OutRing for Drained {
    fn consumer(&self) -> u32 {
        self.producer
    }

    fn producer(&self) -> u32 {
        self.producer
    }

    fn store(&mut self, slot: usize, byte: u8) {
        self.bytes[slot] = byte;
    }

    fn publish(&mut self, producer: u32) {
        self.producer = producer;
    }
}
