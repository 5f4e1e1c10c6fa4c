//! The demo about disks: `app=disk`.
//!
//! Looks at every disk, and writes a pattern to those that may be written to: byte n of it is the highest byte of (n XOR seed) times
//! 0x9e3779b97f4a7c15, so whoever knows the seed can foretell the image. It goes to [`pieces`], of all lengths and from anywhere.
//!
//! Invariant: all other bytes of the disk stay as they are, but for the last 64 KiB, which are discarded before.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use console::boot_info::CommandLine;
use console::println;
use threads::executor;

use crate::disk::{Disk, Facts};
use crate::disks;
use crate::error::DiskError;

/// Requests that are made at the same time by tasks.
const TASKS: u64 = 96;

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

/// Offsets and lengths, for a disk of this size: whole blocks and parts of them, one and many requests.
fn pieces(size: u64) -> Vec<(u64, usize)> {
    let all = [(0, 4096), (5000, 3), (8190, 10), (16384, 65536), (100_001, 300_007), (1 << 20, 1 << 20), (size - 5, 5)];
    all.into_iter().filter(|(offset, length)| offset + *length as u64 <= size).collect()
}

/// What the tasks write: a block each, from 3 MiB on.
fn blocks(size: u64) -> Vec<(u64, usize)> {
    let all = (0..TASKS).map(|task| ((3 << 20) + task * 4096, 4096));
    all.filter(|(offset, length)| offset + *length as u64 <= size).collect()
}

fn many_tasks(disk: &Arc<Disk>, seed: u64) -> Result<(), DiskError> {
    let write = |(offset, length)| {
        let disk = disk.clone();
        async move { disk.write_async(offset, &pattern(seed, offset, length)).await }
    };
    let done = executor::block_on(executor::join_all(blocks(disk.size()).into_iter().map(write)));
    println!("{}: {} blocks written at the same time", disk.name(), done.len());
    done.into_iter().collect()
}

fn pattern(seed: u64, offset: u64, length: usize) -> Vec<u8> {
    let byte = |at: u64| ((at ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (offset..).take(length).map(byte).collect()
}
