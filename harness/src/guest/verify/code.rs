//! The rules on instructions: the red zone, and where a `syscall` may stand.
//!
//! Xen delivers exceptions and events to a PV guest by pushing a frame right below the interrupted rsp
//! (`xen/arch/x86/x86_64/entry.S`, `create_bounce_frame`), and doesn't skip the 128 bytes that the System V ABI
//! lets a leaf function use there. What we compile has no red zone, but prebuilt code might, so every function
//! of the image is disassembled.
//!
//! Why this finds them: a compiler uses the red zone in functions without calls only, addresses it from rsp or
//! from the frame pointer, and lowers rsp by less than what it addresses. So, for each function:
//! - a constant negative offset from rsp is an access below it, whatever the function does otherwise;
//! - an offset from rbp is, if it reaches deeper than all the function ever takes off rsp;
//! - an address computed (`lea`) or indexed counts in functions without calls only. Elsewhere it is an array
//!   whose base was moved: `Big32x40::mul_digits` of `core` counts from 1, and points just below its frame.

use super::{Finding, Rule, function_at};
use crate::guest::elf::{Function, Linked};
use crate::guest::names;
use crate::guest::symbolize::Symbolizer;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use std::cell::OnceCell;
use std::path::Path;

/// Functions and modules that may break the red zone rule, by their path, each with the reason. The one good
/// reason is that they run with events masked and touch nothing that can fault.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Modules and functions that a `syscall` may be written in, by any part of the path.
const HYPERCALL_PATHS: [&str; 2] = ["hypercall", "raw_hypercall"];
/// Assembler labels that it may stand behind.
const HYPERCALL_LABEL: &str = "hypercall_";

/// How far an index that doesn't start at zero may move an array's base.
const BIAS: i64 = 16;

/// What the code of an image does that it must not.
pub fn findings(linked: &Linked<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let symbolizer: OnceCell<Option<Symbolizer>> = OnceCell::new();
    for (start, bytes) in stretches(linked) {
        let instructions: Vec<_> = decode(start, bytes).collect();
        let function = linked.function(start);
        if let Some((instruction, what)) = red_zone(&instructions).filter(|_| !excepted(EXCEPTIONS, function)) {
            found.push(Finding {
                rule: Rule::RedZone,
                address: Some(instruction.ip()),
                function: Some(function_at(linked, instruction.ip())),
                what: format!("{what} at {:#x}, where Xen's exception frames land", instruction.ip()),
                next: "avoid it: code of the prebuilt libraries has a red zone in a few functions; assembler has to \
                       lower rsp first",
            });
        }
        let stray = instructions.iter().find(|instruction| {
            enters_xen(instruction)
                && !allowed(linked, instruction.ip())
                && !inlined_from_path(symbolizer.get_or_init(|| debug_information(linked)).as_ref(), instruction.ip())
        });
        if let Some(instruction) = stray {
            let name = format!("{:?}", instruction.mnemonic()).to_lowercase();
            found.push(Finding {
                rule: Rule::Syscall,
                address: Some(instruction.ip()),
                function: Some(function_at(linked, instruction.ip())),
                what: format!("has a `{name}` at {:#x}, outside of the hypercall path", instruction.ip()),
                next: "go through the hypercall wrapper; code of the path itself lies in a module `hypercall` or behind \
                       a label `hypercall_*`",
            });
        }
    }
    found
}

/// The image's code cut at every function, so that data between them cannot garble more than its own stretch.
fn stretches<'l, 'a: 'l>(linked: &'l Linked<'a>) -> impl Iterator<Item = (u64, &'a [u8])> + 'l {
    linked.code.iter().flat_map(|code| {
        let end = code.address + code.bytes.len() as u64;
        let inside = linked.functions.iter().map(|f| f.start).filter(move |start| (code.address..end).contains(start));
        let mut cuts: Vec<_> = std::iter::once(code.address).chain(inside).chain([end]).collect();
        cuts.dedup();
        let stretch =
            |cut: &[u64]| (cut[0], &code.bytes[(cut[0] - code.address) as usize..(cut[1] - code.address) as usize]);
        cuts.windows(2).map(stretch).collect::<Vec<_>>()
    })
}

fn decode(start: u64, bytes: &[u8]) -> impl Iterator<Item = Instruction> + '_ {
    let mut decoder = Decoder::with_ip(64, bytes, start, DecoderOptions::NONE);
    std::iter::from_fn(move || {
        loop {
            if !decoder.can_decode() {
                return None;
            }
            let (position, ip) = (decoder.position(), decoder.ip());
            let instruction = decoder.decode();
            if !instruction.is_invalid() {
                return Some(instruction);
            }
            // Data: try again one byte on, so that an instruction behind it isn't missed.
            decoder.set_position(position + 1).ok()?;
            decoder.set_ip(ip + 1);
        }
    })
}

/// Whether a function is on the list, itself or by a module around it.
fn excepted(exceptions: &[(&str, &str)], function: Option<&Function<'_>>) -> bool {
    let Some(function) = function else { return false };
    let path = names::path(&names::full(function.name));
    exceptions
        .iter()
        .any(|(excepted, _)| path.strip_prefix(excepted).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

/// What a function does with the stack, over all of its instructions.
struct Frame {
    /// Whether it calls anything: then it has no red zone.
    calls: bool,
    /// Whether rsp is set to something that isn't known here.
    unknown: bool,
    /// The most that is ever taken off rsp, in bytes.
    deepest: i64,
    /// How much of that came before rbp was set, if it is a frame pointer.
    base: Option<i64>,
}

impl Frame {
    fn of(instructions: &[Instruction]) -> Self {
        let mut frame = Self { calls: false, unknown: false, deepest: 0, base: None };
        let mut depth = 0;
        for (index, instruction) in instructions.iter().enumerate() {
            if let Some(bytes) = probed(instructions, index) {
                depth += bytes;
                continue;
            }
            match instruction.flow_control() {
                FlowControl::Call | FlowControl::IndirectCall => {
                    frame.calls = true;
                    continue;
                }
                FlowControl::Next | FlowControl::ConditionalBranch => {}
                // What follows is reached from elsewhere, with the frame set up.
                _ => {
                    depth = frame.deepest;
                    continue;
                }
            }
            let (to, from) = (instruction.op0_register(), instruction.op1_register());
            match (instruction.mnemonic(), to, from) {
                (Mnemonic::Push, Register::RBP, _) if frame.base.is_none() || depth == frame.deepest => depth += 8,
                (Mnemonic::Mov, Register::RBP, Register::RSP) => frame.base = Some(depth),
                (Mnemonic::Lea, Register::RBP, _) if instruction.memory_base() == Register::RSP => {
                    frame.base = Some(depth - offset(instruction));
                }
                // Of a probing loop, whose end says how far it goes.
                (Mnemonic::Sub, Register::RSP, _) if index > 1 && probed(instructions, index - 2).is_some() => {}
                (Mnemonic::Sub, Register::RSP, Register::None) => depth += instruction.immediate(1) as i64,
                (Mnemonic::Add, Register::RSP, Register::None) => depth -= instruction.immediate(1) as i64,
                (Mnemonic::Lea, Register::RSP, _) => match (instruction.memory_base(), frame.base) {
                    (Register::RSP, _) if !indexed(instruction) => depth -= offset(instruction),
                    (Register::RBP, Some(base)) if !indexed(instruction) => depth = base - offset(instruction),
                    _ => frame.unknown = true,
                },
                (Mnemonic::Mov, Register::RSP, Register::RBP) if frame.base.is_some() => {
                    depth = frame.base.unwrap_or(depth);
                }
                (Mnemonic::Leave, ..) => depth = frame.base.map_or(depth, |base| base - 8),
                // Aligning lowers rsp by an amount that only the running program knows.
                (Mnemonic::And | Mnemonic::Mov | Mnemonic::Sub | Mnemonic::Add | Mnemonic::Xchg, Register::RSP, _) => {
                    frame.unknown = true;
                }
                _ => depth -= i64::from(instruction.stack_pointer_increment()),
            }
            frame.deepest = frame.deepest.max(depth);
        }
        frame
    }
}

/// The first access below rsp, and what it is.
fn red_zone(instructions: &[Instruction]) -> Option<(&Instruction, String)> {
    // Most functions touch the stack at non-negative offsets from rsp, or call: nothing to work out.
    let frame = OnceCell::new();
    instructions.iter().find_map(|instruction| {
        let below = -offset(instruction);
        let on_stack = matches!(instruction.memory_base(), Register::RSP | Register::RBP);
        if below <= 0 || !on_stack || !addresses_memory(instruction) {
            return None;
        }
        let frame = frame.get_or_init(|| Frame::of(instructions));
        let computed = instruction.mnemonic() == Mnemonic::Lea || indexed(instruction);
        if computed && frame.calls {
            return None;
        }
        let (register, lowered) = match (instruction.memory_base(), frame.base) {
            (Register::RSP, _) => ("rsp", 0),
            (_, Some(base)) if !frame.unknown => ("rbp", frame.deepest - base),
            // rbp isn't a frame pointer here, or where rsp is isn't known.
            _ => return None,
        };
        let own = frame.deepest - frame.base.unwrap_or(0);
        let moved = indexed(instruction) && own > 0 && below - lowered <= BIAS;
        if below <= lowered || moved {
            return None;
        }
        let size = if instruction.mnemonic() == Mnemonic::Lea { "points to" } else { "uses memory at" };
        let lower = if register == "rbp" { format!(" (rsp is rbp-{lowered:#x})") } else { String::new() };
        Some((instruction, format!("{size} {register}-{below:#x}{lower}")))
    })
}

/// How far rsp goes in the loop that `index` prepares, if it does: for a frame larger than the guard page, rsp is
/// lowered page by page, touching each: `mov r11, rsp`, `sub r11, N`, then `sub rsp, 4096` until they meet.
fn probed(instructions: &[Instruction], index: usize) -> Option<i64> {
    let [copy, end, lower, ..] = &instructions[index..] else { return None };
    let copied = copy.mnemonic() == Mnemonic::Mov && copy.op1_register() == Register::RSP;
    let aimed = end.mnemonic() == Mnemonic::Sub && end.op0_register() == copy.op0_register();
    let lowered = lower.mnemonic() == Mnemonic::Sub && lower.op0_register() == Register::RSP;
    let constants = end.op1_register() == Register::None && lower.op1_register() == Register::None;
    let known = copied && aimed && lowered && constants && lower.immediate(1) == 4096;
    known.then(|| end.immediate(1) as i64)
}

fn offset(instruction: &Instruction) -> i64 {
    instruction.memory_displacement64() as i64
}

fn indexed(instruction: &Instruction) -> bool {
    instruction.memory_index() != Register::None
}

/// Whether a memory operand is read, written or pointed at. Lowering rsp by `lea` and a long `nop` do neither.
fn addresses_memory(instruction: &Instruction) -> bool {
    let lowers = instruction.mnemonic() == Mnemonic::Lea && instruction.op0_register() == Register::RSP;
    let operand = (0..instruction.op_count()).any(|index| instruction.op_kind(index) == OpKind::Memory);
    operand && !lowers && instruction.mnemonic() != Mnemonic::Nop
}

fn enters_xen(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Int)
}

fn allowed(linked: &Linked<'_>, address: u64) -> bool {
    let symbols = linked.label(address).into_iter().chain(linked.function(address));
    symbols.into_iter().any(|symbol| {
        let path = names::path(&names::full(symbol.name));
        path.starts_with(HYPERCALL_LABEL) || on_path(&path)
    })
}

/// Whether the instruction was written in the hypercall path and inlined to where it stands.
fn inlined_from_path(symbolizer: Option<&Symbolizer>, address: u64) -> bool {
    symbolizer.is_some_and(|symbolizer| symbolizer.frames(address).iter().any(|frame| on_path(&frame.path)))
}

fn on_path(path: &str) -> bool {
    path.split("::").any(|part| HYPERCALL_PATHS.contains(&part))
}

/// Debug information, if the ELF has any: without it nothing counts as inlined.
fn debug_information(linked: &Linked<'_>) -> Option<Symbolizer> {
    Symbolizer::open(&linked.path, Path::new("/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_whole_paths() {
        let list = [("std::backtrace", "runs with events masked")];
        let on_list = |name| excepted(&list, Some(&Function { start: 0, end: 1, name }));
        assert!(on_list("std::backtrace") && on_list("std::backtrace::print::<u8>"));
        assert!(!on_list("std::backtrace_rs::print") && !on_list("core::std::backtrace"));
        assert!(!excepted(&list, None));
    }

    #[test]
    fn data_among_code_does_not_hide_what_follows() {
        // An invalid byte, then `syscall`.
        let found: Vec<_> = decode(0x1000, &[0x06, 0x0f, 0x05]).map(|i| (i.ip(), i.mnemonic())).collect();
        assert_eq!(found, [(0x1001, Mnemonic::Syscall)]);
    }
}
