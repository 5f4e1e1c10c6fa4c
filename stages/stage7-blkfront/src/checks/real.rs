//! The checks of exercises 7b and 7c on a real disk, whose image dom0 looks at.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use blkfront::cached::CachedDisk;
use blkfront::disk::Disk;
use blkfront::error::DiskError;
use console::bedrock::{Hex, Record, Reporter};
use fastrand::Rng;
use threads::executor;

use super::{Opened, ask_for_image, ask_to_write, bytes};

/// Where the part of `7b.disk` is, and that of `7c.disk`.
const TASKS: u64 = 512 << 10;
const CACHE: u64 = 1 << 20;
const PART: usize = 512 << 10;

/// Runs the check of exercise 7b.
pub fn run_tasks(reporter: &Reporter, disk: &Opened) {
    reporter.check("7b.disk", |rng, record| told(record, disk, |disk| tasks(rng, record, disk)));
}

/// Runs the check of exercise 7c.
pub fn run_cache(reporter: &Reporter, disk: &Opened) {
    reporter.check("7c.disk", |rng, record| told(record, disk, |disk| cached(rng, record, disk)));
}

fn told(record: &Record, disk: &Opened, run: impl FnOnce(&alloc::sync::Arc<Disk>) -> Result<(), DiskError>) {
    let result = disk.as_ref().map_err(|error| *error).and_then(run);
    if let Err(error) = result {
        record.saw(format_args!("error={}", format!("{error}").replace(' ', "_")));
    }
}

/// Many writes at the same time.
///
/// Draws: `rng.shuffle` of the numbers 0 to 1024, of which the first 400 are sectors to write to, from byte 524288 on; for each of them
/// `rng.u64(..)`, which the sector is filled with, the low byte first.
/// Records: `written`, how many writes worked. Dom0 is asked for the image, from there to byte 1048576. Then 512 bytes are drawn, which dom0 writes to the first
/// sector of the part, and the guest reads: `read`.
fn tasks(rng: &mut Rng, record: &Record, disk: &alloc::sync::Arc<Disk>) -> Result<(), DiskError> {
    let mut sectors: Vec<u64> = (0..1024).collect();
    rng.shuffle(&mut sectors);
    let write = |sector: &u64| {
        let (offset, data) = (TASKS + sector * 512, rng.u64(..).to_le_bytes().repeat(64));
        async move { disk.write_async(offset, &data).await }
    };
    let writes: Vec<_> = sectors[..400].iter().map(write).collect();
    let written = executor::block_on(executor::join_all(writes));
    record.saw(format_args!("written={}", written.iter().filter(|result| result.is_ok()).count()));
    disk.flush()?;
    ask_for_image(record, TASKS as usize..TASKS as usize + PART);
    ask_to_write(record, TASKS, &bytes(rng, 512));
    let mut read = [0; 512];
    disk.read(TASKS, &mut read)?;
    record.saw(format_args!("read={}", Hex(&read)));
    Ok(())
}

/// Writes through a cache of 16 blocks.
///
/// Draws: in each of two rounds, 60 times `offset = rng.usize(..524288 - 3000)`, `length = rng.usize(1..3000)`, `byte = rng.u8(..)`: so many bytes of this value are
/// written to byte 1048576 + `offset`. Each round ends with a flush, then dom0 is asked for the image of this part; then five times `offset`, as above, of which
/// the guest reads 16 bytes: `read`.
fn cached(rng: &mut Rng, record: &Record, disk: &alloc::sync::Arc<Disk>) -> Result<(), DiskError> {
    let cache = CachedDisk::new(disk.clone(), 16)?;
    for _ in 0..2 {
        for _ in 0..60 {
            let offset = rng.usize(..PART - 3000);
            let length = rng.usize(1..3000);
            cache.write(CACHE + offset as u64, &vec![rng.u8(..); length])?;
        }
        cache.flush()?;
        ask_for_image(record, CACHE as usize..CACHE as usize + PART);
        for _ in 0..5 {
            let mut read = [0; 16];
            cache.read(CACHE + rng.usize(..PART - 3000) as u64, &mut read)?;
            record.saw(format_args!("read={}", Hex(&read)));
        }
    }
    Ok(())
}
