//! Exercise 4d: what Xen has to be told about another vCPU (`struct vcpu_guest_context`).

use crate::check::expect::{Row, Value, digest};
use fastrand::Rng;
use std::collections::BTreeMap;

const CODE: u64 = 0xe033;
const STACK: u64 = 0xe02b;

struct Start {
    entry: u64,
    argument: u64,
    stack_top: u64,
    page_table: u64,
    gs_base: u64,
    event: u64,
    failsafe: u64,
    /// Flags and address by vector.
    traps: BTreeMap<u8, (u8, u64)>,
}

fn draw(rng: &mut Rng) -> Start {
    let (entry, argument) = (rng.u64(..), rng.u64(..));
    let stack_top = rng.u64(1..1 << 59) * 16;
    let page_table = rng.u64(..1 << 40);
    let gs_base = rng.u64(..);
    let (event, failsafe) = (rng.u64(..), rng.u64(..));
    let mut traps = BTreeMap::new();
    let count = rng.usize(1..=20);
    for _ in 0..count {
        let mut vector = rng.u8(..);
        while traps.contains_key(&vector) {
            vector = rng.u8(..);
        }
        traps.insert(vector, (rng.u8(..8), rng.u64(1..)));
    }
    Start { entry, argument, stack_top, page_table, gs_base, event, failsafe, traps }
}

pub fn registers(rng: &mut Rng) -> Vec<Row> {
    let start = draw(rng);
    let row = Row::new("the registers at the first instruction");
    let row = row.is("rip", start.entry).is("rdi", start.argument).is("rsp", start.stack_top - 8);
    // Bit 1 of the flags is always set in the processor, whatever is stored.
    let row = row.value("rflags", Value::OneOf(vec!["512".to_owned(), "514".to_owned()]));
    vec![row.is("cs", CODE).is("ss", STACK).is("others", 0)]
}

pub fn memory(rng: &mut Rng) -> Vec<Row> {
    let start = draw(rng);
    let row = Row::new("page table, own data, and the stack for entries from user mode");
    let row = row.is("cr3", start.page_table * 4096).is("others", 0).is("gs_base", start.gs_base);
    vec![row.is("kernel_ss", STACK).is("kernel_sp", start.stack_top)]
}

pub fn traps(rng: &mut Rng) -> Vec<Row> {
    let start = draw(rng);
    let table = (0..=255_u8).flat_map(|vector| match start.traps.get(&vector) {
        Some((flags, address)) => [vector.into(), (*flags).into(), CODE, *address],
        None => [0; 4],
    });
    let row = Row::new(format!("a table of {} traps, and the callbacks", start.traps.len()));
    let row = row.is("used", start.traps.len()).is("table", digest(table));
    vec![row.is("event", start.event).is("failsafe", start.failsafe).is("syscall", 0)]
}

pub fn mode(rng: &mut Rng) -> Vec<Row> {
    draw(rng);
    vec![Row::new("the flags (4 is VGCF_IN_KERNEL), and what nobody asked for").is("flags", 4).is("others", 0)]
}
