//! Checks of exercise 4d: `smp::context::fill`.

use console::bedrock::{Digest, Record, Reporter, TrapInfo};
use console::types::Mfn;
use fastrand::Rng;
use threads::smp::context::{self, Registers, VcpuContext, VcpuStart};

const MOST_TRAPS: usize = 32;

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter) {
    reporter.check("4d.registers", registers);
    reporter.check("4d.memory", memory);
    reporter.check("4d.traps", traps);
    reporter.check("4d.mode", mode);
}

/// Has a context filled.
///
/// Draws: `entry = rng.u64(..)`; `argument = rng.u64(..)`; `stack_top = rng.u64(1..1 << 59) * 16`; `page_table = rng.u64(..1 << 40)`;
/// `gs_base = rng.u64(..)`; `event = rng.u64(..)`; `failsafe = rng.u64(..)`; `traps = rng.usize(1..=20)`; for each trap `rng.u8(..)`, its
/// vector (drawn again while another has it), `rng.u8(..8)`, its flags, and `rng.u64(1..)`, its address. cs is 0xe033.
fn filled(rng: &mut Rng) -> VcpuContext {
    let (entry, argument) = (rng.u64(..), rng.u64(..));
    let stack_top = rng.u64(1..1 << 59) * 16;
    let page_table = Mfn(rng.u64(..1 << 40));
    let gs_base = rng.u64(..);
    let (event, failsafe) = (rng.u64(..), rng.u64(..));
    let mut traps = [TrapInfo::default(); MOST_TRAPS];
    let count = rng.usize(1..=20);
    for index in 0..count {
        let vector = loop {
            let vector = rng.u8(..);
            if traps[..index].iter().all(|trap| trap.vector != vector) {
                break vector;
            }
        };
        traps[index] = TrapInfo { vector, flags: rng.u8(..8), cs: context::FLAT_CODE, address: rng.u64(1..) };
    }
    let traps = &traps[..count];
    let start = VcpuStart { entry, argument, stack_top, page_table, gs_base, traps, event, failsafe };
    let mut context = VcpuContext::zeroed();
    context::fill(&mut context, &start);
    context
}

/// Draws: see [`filled`]. Records: `rip`, `rdi`, `rsp`, `rflags`, `cs`, `ss`; `others`, how many of the other registers are not 0.
fn registers(rng: &mut Rng, record: &Record) {
    let context = filled(rng);
    let Registers { rip, rdi, rsp, rflags, cs, ss, .. } = context.registers;
    let Registers { r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, .. } = context.registers;
    let Registers { es, ds, fs, gs, .. } = context.registers;
    let others = [r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, es, ds, fs, gs];
    let others = count(&others);
    record.saw(format_args!("rip={rip} rdi={rdi} rsp={rsp} rflags={rflags} cs={cs} ss={ss} others={others}"));
}

/// Draws: see [`filled`]. Records: `cr3`; `others`, how many other control registers are not 0; `gs_base`, `kernel_ss`, `kernel_sp`.
fn memory(rng: &mut Rng, record: &Record) {
    let VcpuContext { control, gs_base_kernel, kernel_ss, kernel_sp, .. } = filled(rng);
    let others = count(&control[..3]) + count(&control[4..]);
    let cr3 = control[3];
    record.saw(format_args!(
        "cr3={cr3} others={others} gs_base={gs_base_kernel} kernel_ss={kernel_ss} kernel_sp={kernel_sp}"
    ));
}

/// Draws: see [`filled`]. Records: `used`, how many entries of the table are not 0; `table`, a digest over all 256 entries of vector,
/// flags, cs and address; `event`, `failsafe`, `syscall`, the callbacks.
fn traps(rng: &mut Rng, record: &Record) {
    let context = filled(rng);
    let mut digest = Digest::default();
    for trap in &context.traps {
        digest.add(trap.vector.into());
        digest.add(trap.flags.into());
        digest.add(trap.cs.into());
        digest.add(trap.address);
    }
    let used = context.traps.iter().filter(|trap| **trap != TrapInfo::default()).count();
    let VcpuContext { event_callback, failsafe_callback, syscall_callback, .. } = context;
    record.saw(format_args!(
        "used={used} table={} event={event_callback} failsafe={failsafe_callback} syscall={syscall_callback}",
        digest.value()
    ));
}

/// Draws: see [`filled`]. Records: `flags`; `others`, how many of the words that nobody asked for are not 0.
fn mode(rng: &mut Rng, record: &Record) {
    let context = filled(rng);
    let fpu = context.fpu.iter().filter(|byte| **byte != 0).count();
    let tables = count(&context.gdt_frames) + count(&context.debug);
    let words = [context.ldt_base, context.ldt_entries, context.gdt_entries, context.vm_assist];
    let bases = [context.fs_base, context.gs_base_user];
    let others = fpu + tables + count(&words) + count(&bases);
    record.saw(format_args!("flags={} others={others}", context.flags));
}

fn count(words: &[u64]) -> usize {
    words.iter().filter(|word| **word != 0).count()
}
