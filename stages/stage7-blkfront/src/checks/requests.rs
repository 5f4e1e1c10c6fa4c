//! Checks of exercise 7a: limits, parts, segments, words, and a real backend.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use blkfront::blkif::{Operation, SECTOR, SECTORS_A_PAGE};
use blkfront::error::Reason;
use blkfront::pages;
use blkfront::requests::{self, Limits, Part, Request, Segment};
use console::bedrock::{Hex, List, Record, Reporter};
use fastrand::Rng;
use xenbus::grants::{GrantRef, SharedPage};

use super::{Opened, ask_for_bytes, ask_to_write, bytes};

/// Runs the checks of this exercise.
pub fn run(reporter: &Reporter, disk: &Opened) {
    reporter.check("7a.check", check);
    reporter.check("7a.cut", cut);
    reporter.check("7a.spread", spread);
    reporter.check("7a.encode", encode);
    reporter.check("7a.disk", |rng, record| real(rng, record, disk));
}

const OPERATIONS: [Operation; 4] = [Operation::Read, Operation::Write, Operation::Flush, Operation::Discard];

/// What a disk allows.
///
/// Draws, for each of 128 cases: `block`, 8 if `rng.bool()`, else 1; `size = rng.u64(64..1_000_000) * block`; `read_only = rng.bool()`;
/// the operation of number `rng.usize(..4)`; `sectors = rng.u64(..64) * block`, one more if `rng.bool()`; `kind = rng.u8(..6)`; `any = rng.u64(..size)`. The first sector
/// is for the kinds 0 to 3: so that it ends with the disk; one block further; the last number minus `any % 64`, rounded down to blocks; `any`; for the others
/// `any` rounded down to blocks.
/// Records, for each: `case`, `result`.
fn check(rng: &mut Rng, record: &Record) {
    for case in 0..128 {
        let block = if rng.bool() { 8 } else { 1 };
        let size = rng.u64(64..1_000_000) * block;
        let read_only = rng.bool();
        let operation = OPERATIONS[rng.usize(..4)];
        let sectors = rng.u64(..64) * block + u64::from(rng.bool());
        let kind = rng.u8(..6);
        let any = rng.u64(..size);
        let sector = match kind {
            0 => size - sectors,
            1 => size - sectors + block,
            2 => (u64::MAX - any % 64) / block * block,
            3 => any,
            _ => any / block * block,
        };
        let limits = Limits { sectors: size, block, read_only, segments: 11 };
        let result = match requests::check(&limits, operation, sector, sectors) {
            Ok(()) => String::from("ok"),
            Err(Reason::ReadOnly) => String::from("read_only"),
            Err(Reason::Unaligned) => String::from("unaligned"),
            Err(Reason::BeyondEnd { end, size }) => format!("beyond:{end}:{size}"),
            Err(_) => String::from("other"),
        };
        record.saw(format_args!("case={case} result={result}"));
    }
}

/// Parts.
///
/// Draws, for each of 12 cases: `sector = rng.u64(..1 << 40)`, `segments = rng.usize(1..=64)`, `random = rng.usize(..5000)`. The number
/// of sectors: none; one part; a sector more; a sector less; three parts; for the other cases `random`.
/// Records, for each: `case`, `parts`: first sector `+` number.
fn cut(rng: &mut Rng, record: &Record) {
    for case in 0..12 {
        let sector = rng.u64(..1 << 40);
        let segments = rng.usize(1..=64);
        let random = rng.usize(..5000);
        let full = segments * SECTORS_A_PAGE;
        let sectors = [0, full, full + 1, full - 1, 3 * full].get(case).copied().unwrap_or(random);
        let parts = requests::cut(sector, sectors, segments);
        let shown = |Part { sector, sectors }: &Part| format!("{sector}+{sectors}");
        record.saw(format_args!("case={case} parts={}", List(parts.iter().map(shown))));
    }
}

/// Segments.
///
/// Draws, for each of 10 cases: `random = rng.usize(1..=88)`; the number of sectors is 8, 9, 7, 1 in the first cases, then `random`;
/// `rng.usize(..3)` pages more than are needed; for each page `rng.u32(..)`, its reference.
/// Records, for each: `case`, `segments`: reference `:` first `-` last.
fn spread(rng: &mut Rng, record: &Record) {
    for case in 0..10 {
        let random = rng.usize(1..=88);
        let sectors = [8, 9, 7, 1].get(case).copied().unwrap_or(random);
        let pages = sectors.div_ceil(SECTORS_A_PAGE) + rng.usize(..3);
        let pages: Vec<GrantRef> = (0..pages).map(|_| GrantRef(rng.u32(..))).collect();
        let segments = requests::spread(sectors, &pages);
        let shown = |segment: &Segment| format!("{}:{}-{}", segment.page.0, segment.first, segment.last);
        record.saw(format_args!("case={case} segments={}", List(segments.iter().map(shown))));
    }
}

/// Words.
///
/// Draws, for each of 12 cases: `kind = case % 4` needs none; `handle = rng.u16(..)`, `id = rng.u64(..)`, `sector = rng.u64(..)`,
/// `sectors = rng.u64(..)`; `count`: `rng.usize(1..=11)` for the kinds 0 and 1, `rng.usize(12..=64)` for kind 2, none for kind 3; `table
/// = rng.u32(..)`; `write = rng.bool()`; for each segment `rng.u32(..)`, `rng.u8(..4)`, `rng.u8(4..8)`: reference, first, last.
/// Kind 0 and 1 are reads or writes, kind 2 an indirect one, kind 3 a flush if `write`, with its first sector 0, else a discard.
/// Records, for each: `case`, `words`, and `segments`: the words of the first two and the last segment.
fn encode(rng: &mut Rng, record: &Record) {
    for case in 0..12 {
        let kind = case % 4;
        let (handle, id, sector, sectors) = (rng.u16(..), rng.u64(..), rng.u64(..), rng.u64(..));
        let count = match kind {
            0 | 1 => rng.usize(1..=11),
            2 => rng.usize(12..=64),
            _ => 0,
        };
        let table = GrantRef(rng.u32(..));
        let write = rng.bool();
        let segment = |rng: &mut Rng| Segment { page: GrantRef(rng.u32(..)), first: rng.u8(..4), last: rng.u8(4..8) };
        let segments: Vec<Segment> = (0..count).map(|_| segment(rng)).collect();
        let (operation, sector) = match (kind, write) {
            (3, true) => (Operation::Flush, 0),
            (3, false) => (Operation::Discard, sector),
            (_, true) => (Operation::Write, sector),
            (_, false) => (Operation::Read, sector),
        };
        let table = (kind == 2).then_some(table);
        let sectors = if operation == Operation::Discard { sectors } else { 0 };
        let words = requests::encode(&Request { operation, handle, id, sector, sectors, segments: &segments, table });
        let some = segments.iter().take(2).chain(segments.last()).map(requests::encode_segment);
        let hex = |word: u64| format!("{word:x}");
        let (words, some) = (List(words.into_iter().map(hex)), List(some.map(hex)));
        record.saw(format_args!("case={case} words={words} segments={some}"));
    }
}

/// A real backend, and what dom0 sees in the image. It uses the first 256 KiB of the disk.
///
/// Draws: `first = rng.u64(..64)`, `sectors = rng.usize(9..=80)`, `id = rng.u64(..)`, and as many bytes as the sectors have; these are
/// written to the sectors from `first` on, and dom0 is asked for them (`disk-read`), with the 512 bytes behind them. Then
/// `other = rng.u64(160..256)`, 512 bytes, which dom0 writes to that sector (`disk-write`), and the guest reads. Then 20 pages of
/// bytes, which an indirect request writes to sector 256; dom0 is asked for the last 512 of them and the 512 behind. Then the sectors 256 to
/// 264 are discarded, and the disk is flushed; dom0 is asked for the last of these and the one behind.
/// Records, besides: `status` for each request, and whether its response had its `id`; `read` for what was read.
fn real(rng: &mut Rng, record: &Record, disk: &Opened) {
    let disk = match disk {
        Ok(disk) => disk,
        Err(error) => return record.saw(format_args!("error={}", format!("{error}").replace(' ', "_"))),
    };
    let exchange = |request: &Request<'_>| match disk.exchange(&requests::encode(request)) {
        Some(response) => record.saw(format_args!("status={} id={}", response.status, response.id == request.id)),
        None => record.saw(format_args!("status=none id=false")),
    };
    let references = |pages: &[SharedPage]| pages.iter().map(SharedPage::reference).collect::<Vec<_>>();
    let handle = disk.handle();
    let first = rng.u64(..64);
    let sectors = rng.usize(9..=80);
    let id = rng.u64(..);
    let data = bytes(rng, sectors * SECTOR);
    let Ok(pages) = disk.take_pages(10) else { return record.saw(format_args!("error=out_of_memory")) };
    pages::fill(&pages, 0, &data);
    let segments = requests::spread(sectors, &references(&pages));
    let write = Request {
        operation: Operation::Write,
        handle,
        id,
        sector: first,
        sectors: 0,
        segments: &segments,
        table: None,
    };
    exchange(&write);
    let end = (first + sectors as u64) * SECTOR as u64;
    ask_for_bytes(record, first * SECTOR as u64, 512);
    ask_for_bytes(record, end - 512, 1024);

    let other = rng.u64(160..256);
    ask_to_write(record, other * SECTOR as u64, &bytes(rng, SECTOR));
    let segments = requests::spread(1, &references(&pages));
    exchange(&Request { operation: Operation::Read, sector: other, segments: &segments, ..write });
    let mut read = [0; SECTOR];
    pages::drain(&pages, 0, &mut read);
    record.saw(format_args!("read={}", Hex(&read)));
    drop(pages);

    let (Ok(pages), Ok(table)) = (disk.take_pages(20), disk.take_pages(1)) else {
        return record.saw(format_args!("error=out_of_memory"));
    };
    pages::fill(&pages, 0, &bytes(rng, 20 * 4096));
    let segments = requests::spread(160, &references(&pages));
    for (index, segment) in segments.iter().enumerate() {
        pages::fill(&table, 8 * index, &requests::encode_segment(segment).to_le_bytes());
    }
    let reference = table.first().map(SharedPage::reference);
    exchange(&Request { sector: 256, segments: &segments, table: reference, ..write });
    ask_for_bytes(record, (256 + 159) * SECTOR as u64, 1024);
    let without = Request { segments: &[], ..write };
    exchange(&Request { operation: Operation::Discard, sector: 256, sectors: 8, ..without });
    exchange(&Request { operation: Operation::Flush, sector: 0, ..without });
    ask_for_bytes(record, 263 * SECTOR as u64, 1024);
}
