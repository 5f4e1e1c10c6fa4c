//! `app=registers`: values in all vector registers, while interrupts use them too.
//!
//! `save=legacy` has interruptions save what `fxsave` would, for comparison: then the upper halves are lost.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use console::boot_info::CommandLine;
use console::println;

use crate::timer::{self, Timer};
use crate::{clock, extended_state};

/// The values of `save=`; the first is the default.
pub(super) const SAVES: &[&str] = &["all", "legacy"];

const LEGACY: u64 = 0b11;
const AVX: u64 = 0b100;

static TICKS: AtomicU64 = AtomicU64::new(0);

/// Spins for `seconds=` with known values in the registers, and counts how often they were found changed.
pub(super) fn registers(command_line: CommandLine<'_>) {
    let seconds = super::number(command_line, "seconds", 2);
    let all = extended_state::components();
    if !there() {
        return println!("this machine has no AVX registers");
    }
    if command_line.get("save") == Some("legacy") {
        extended_state::set_components(LEGACY);
    }
    let begun = clock::now();
    let (mut rounds, mut damaged) = (0_u64, 0_u64);
    let mut ticker = tick_soon();
    let mut seen = 0;
    while clock::now().since(begun) < Duration::from_secs(seconds) {
        rounds += 1;
        damaged += u64::from(!values_survive(rounds));
        let ticks = TICKS.load(Ordering::Relaxed);
        if ticks != seen {
            seen = ticks;
            ticker = tick_soon();
        }
    }
    drop(ticker);
    extended_state::set_components(all);
    let ticks = TICKS.load(Ordering::Relaxed);
    println!("saved: {} bytes, components {all:#x}", extended_state::size());
    println!("{ticks} interruptions in {rounds} rounds: values lost in {damaged}");
}

fn tick_soon() -> Option<Timer> {
    timer::set(clock::now().after(Duration::from_millis(1)), tick, 0).ok()
}

/// Uses every vector register, as any code may.
fn tick(_: usize) {
    TICKS.fetch_add(1, Ordering::Relaxed);
    let mark = 0x5555_5555_5555_5555_u64;
    // SAFETY: AVX is on, and the registers are named as changed. Their upper halves are nobody's in Rust's conventions.
    unsafe {
        core::arch::asm!(
            "vmovq xmm0, {mark}",
            "vpunpcklqdq xmm0, xmm0, xmm0",
            "vinsertf128 ymm0, ymm0, xmm0, 1",
            "vmovaps ymm1, ymm0", "vmovaps ymm2, ymm0", "vmovaps ymm3, ymm0", "vmovaps ymm4, ymm0",
            "vmovaps ymm5, ymm0", "vmovaps ymm6, ymm0", "vmovaps ymm7, ymm0", "vmovaps ymm8, ymm0",
            "vmovaps ymm9, ymm0", "vmovaps ymm10, ymm0", "vmovaps ymm11, ymm0", "vmovaps ymm12, ymm0",
            "vmovaps ymm13, ymm0", "vmovaps ymm14, ymm0", "vmovaps ymm15, ymm0",
            mark = in(reg) mark,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack, nomem, preserves_flags),
        );
    }
}

/// Sixteen registers of 32 bytes.
type Registers = [[u64; 4]; 16];

/// Whether this machine has the 256-bit registers that [`values_survive`] works with.
pub fn there() -> bool {
    extended_state::components() & AVX != 0
}

/// Loads different values into all vector registers, spins for a while, and returns whether they are still there. Only
/// where [`there`] says so: elsewhere the processor refuses.
#[inline(never)]
pub fn values_survive(round: u64) -> bool {
    let values: Registers = core::array::from_fn(|register| {
        core::array::from_fn(|part| round.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (register as u64) << 8 ^ part as u64)
    });
    let mut found: Registers = [[0; 4]; 16];
    // SAFETY: AVX is on; both arrays have room for all registers, which are named as changed.
    unsafe {
        core::arch::asm!(
            "vmovups ymm0, [{from}]", "vmovups ymm1, [{from} + 32]", "vmovups ymm2, [{from} + 64]",
            "vmovups ymm3, [{from} + 96]", "vmovups ymm4, [{from} + 128]", "vmovups ymm5, [{from} + 160]",
            "vmovups ymm6, [{from} + 192]", "vmovups ymm7, [{from} + 224]", "vmovups ymm8, [{from} + 256]",
            "vmovups ymm9, [{from} + 288]", "vmovups ymm10, [{from} + 320]", "vmovups ymm11, [{from} + 352]",
            "vmovups ymm12, [{from} + 384]", "vmovups ymm13, [{from} + 416]", "vmovups ymm14, [{from} + 448]",
            "vmovups ymm15, [{from} + 480]",
            "2: sub {turns}, 1", "jnz 2b",
            "vmovups [{to}], ymm0", "vmovups [{to} + 32], ymm1", "vmovups [{to} + 64], ymm2",
            "vmovups [{to} + 96], ymm3", "vmovups [{to} + 128], ymm4", "vmovups [{to} + 160], ymm5",
            "vmovups [{to} + 192], ymm6", "vmovups [{to} + 224], ymm7", "vmovups [{to} + 256], ymm8",
            "vmovups [{to} + 288], ymm9", "vmovups [{to} + 320], ymm10", "vmovups [{to} + 352], ymm11",
            "vmovups [{to} + 384], ymm12", "vmovups [{to} + 416], ymm13", "vmovups [{to} + 448], ymm14",
            "vmovups [{to} + 480], ymm15",
            "vzeroupper",
            from = in(reg) &raw const values,
            to = in(reg) &raw mut found,
            turns = inout(reg) 100_000_u64 => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack),
        );
    }
    found == values
}
