//! The demo about disks: `app=disk`.
//!
//! Looks at every disk, and writes a pattern to those that may be written to: byte n of it is the highest byte of (n XOR seed) times
//! 0x9e3779b97f4a7c15, so whoever knows the seed can foretell the image. It goes to [`pieces`], of all lengths and from anywhere, and to
//! [`blocks`], by many tasks on each vCPU. With `hold=on` the guest stays until the toolstack ends it, so that dom0 can be asked what it has seen.
//!
//! Invariant: all other bytes of the disk stay as they are, but for the last 64 KiB, which are discarded before.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use console::boot_info::CommandLine;
use console::options::{Key, Values};
use console::println;
use threads::cpu_set::CpuSet;
use threads::{executor, smp, thread};

use crate::disk::{Disk, Facts};
use crate::disks;
use crate::error::{DiskError, Reason};

/// What the demo understands.
pub(super) const KEYS: &[Key] =
    &[Key { name: "seed", values: Values::Number }, Key { name: "hold", values: Values::OneOf(&["on", "off"]) }];

/// Blocks that are written at the same time by tasks.
const TASKS: u64 = 192;

pub(super) fn disk(line: CommandLine<'_>) {
    let seed = line.get("seed").and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let names = match disks::configured() {
        Ok(names) => names,
        Err(error) => return println!("disks: {error}"),
    };
    if names.is_empty() {
        println!("no disk is configured");
        if let Err(error) = Disk::open("xvda") {
            println!("{error}");
        }
    }
    for name in names {
        match Disk::open(name.as_str()).and_then(|disk| look(&disk, seed)) {
            Ok(()) => println!("{name}: done"),
            Err(error) => println!("{error}"),
        }
    }
    while line.get("hold") == Some("on") {
        thread::sleep(Duration::from_secs(3600));
    }
}

fn look(disk: &Arc<Disk>, seed: u64) -> Result<(), DiskError> {
    let name = disk.name();
    let Facts { limits, flush, discard, persistent } = disk.facts();
    let mode = if limits.read_only { "read-only" } else { "writable" };
    println!("{name}: {} bytes in blocks of {}, {mode}", disk.size(), disk.block_size());
    let (pages, queues) = (limits.segments, disk.counts().count());
    println!(
        "{name}: segments={pages} queues={queues} ring={} persistent={persistent} flush={flush} discard={discard}",
        disk.room()
    );
    let mut bytes = vec![0; disk.block_size()];
    disk.read(0, &mut bytes)?;
    println!("{name}: begins with {}", bytes[..16].escape_ascii());
    if discard {
        let last = disk.size().saturating_sub(65536);
        disk.discard(last, 65536)?;
        println!("{name}: 65536 bytes from {last} on discarded");
    }
    let wrote = pieces(disk.size())
        .into_iter()
        .try_for_each(|(offset, length)| disk.write(offset, &pattern(seed, offset, length)));
    wrote?;
    println!("{name}: {} pieces written", pieces(disk.size()).len());
    many_tasks(disk, seed)?;
    disk.flush()?;
    let mut wrong = 0;
    for (offset, length) in pieces(disk.size()).into_iter().chain(blocks(disk.size())) {
        let mut bytes = vec![0; length];
        disk.read(offset, &mut bytes)?;
        wrong += usize::from(bytes != pattern(seed, offset, length));
    }
    println!("{name}: {wrong} pieces read back wrong");
    if let Err(error) = disk.write(disk.size() - 4, b"beyond") {
        println!("{error}");
    }
    for counts in disk.counts() {
        let crate::queue::Counts { requests, indirect, events, deepest } = counts;
        println!(
            "{name}: {requests} requests, {indirect} of them indirect, {events} events, at most {deepest} at a time"
        );
    }
    println!("{name}: {} pages granted", disk.pages_granted());
    Ok(())
}

/// Offsets and lengths, for a disk of this size: whole blocks and parts of them, one and many requests, and over 2 TiB.
fn pieces(size: u64) -> Vec<(u64, usize)> {
    let over = ((2 << 40) - 1000, 2000);
    let all =
        [(0, 4096), (5000, 3), (8190, 10), (16384, 65536), (100_001, 300_007), (1 << 20, 1 << 20), over, (size - 5, 5)];
    all.into_iter().filter(|(offset, length)| offset + *length as u64 <= size).collect()
}

/// What the tasks write: a block each, from 3 MiB on.
fn blocks(size: u64) -> Vec<(u64, usize)> {
    let all = (0..TASKS).map(|task| ((3 << 20) + task * 4096, 4096));
    all.filter(|(offset, length)| offset + *length as u64 <= size).collect()
}

/// Has tasks write all blocks, each vCPU's a part of them. So each queue has some.
fn many_tasks(disk: &Arc<Disk>, seed: u64) -> Result<(), DiskError> {
    let cpus: Vec<u32> = smp::online().iter().collect();
    let blocks = blocks(disk.size());
    let share = blocks.len().div_ceil(cpus.len()).max(1);
    let mut threads = Vec::new();
    for (cpu, blocks) in cpus.into_iter().zip(blocks.chunks(share)) {
        let (own, blocks) = (disk.clone(), blocks.to_vec());
        let writes = move || {
            let write = |(offset, length)| {
                let disk = &own;
                async move { disk.write_async(offset, &pattern(seed, offset, length)).await }
            };
            executor::block_on(executor::join_all(blocks.into_iter().map(write)))
        };
        match thread::Builder::new().name("tasks of a demo").affinity(CpuSet::one(cpu)).spawn(writes) {
            Ok(thread) => threads.push(thread),
            Err(_) => return Err(DiskError { disk: disk.name(), reason: Reason::OutOfMemory }),
        }
    }
    let done: Vec<_> = threads.into_iter().flat_map(|thread| thread.join()).collect();
    println!("{}: {} blocks written at the same time", disk.name(), done.len());
    done.into_iter().collect()
}

fn pattern(seed: u64, offset: u64, length: usize) -> Vec<u8> {
    let byte = |at: u64| ((at ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (offset..).take(length).map(byte).collect()
}
