//! Checks of exercise 7c: what is read, what is written, and when.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use blkfront::block_cache::{BLOCK, Blocks, Cache, Slot, find, flush, load, victim};
use console::bedrock::{List, Record, Reporter};
use fastrand::Rng;

/// Runs the checks of this exercise that nothing fails in.
pub fn run(reporter: &Reporter) {
    reporter.check("7c.hits", hits);
    reporter.check("7c.victims", victims);
    reporter.check("7c.flush", flushed);
}

/// Fewer blocks than slots.
///
/// Draws, in each of 40 turns: `block = rng.u64(..8)`, `whole = rng.u8(..4) == 0`. A block that is loaded whole is filled with the turn's number and
/// dirty from then on. The device's block n holds bytes of value 100 + n, modulo 256.
/// Records, for ten turns at a time: `turn`, the last; `calls`, see [`Noted`]; `slots`, the slot of each load; `bytes`, the last byte of each block
/// as it is then.
fn hits(rng: &mut Rng, record: &Record) {
    let Ok(mut cache) = Cache::new(8) else { return record.saw(format_args!("error=out_of_memory")) };
    let mut device = Noted::default();
    let (mut slots, mut last) = (Vec::new(), Vec::new());
    for turn in 0..40_u8 {
        let block = rng.u64(..8);
        let whole = rng.u8(..4) == 0;
        if let Ok(index) = load(&mut cache, &mut device, block, whole) {
            if whole {
                change(&mut cache, index, turn);
            }
            slots.push(index);
            last.push(cache.slots[index].bytes[BLOCK - 1]);
        }
        if turn % 10 == 9 {
            let (calls, into, bytes) = (device.taken(), List(slots.iter()), List(last.iter()));
            record.saw(format_args!("turn={turn} calls={calls} slots={into} bytes={bytes}"));
            slots.clear();
            last.clear();
        }
    }
}

/// More blocks than slots.
///
/// Draws, in each of 60 turns: `block = rng.u64(..10)`, `dirty = rng.bool()`: if so it is filled with the turn's number after it was loaded.
/// Records, for ten turns at a time: `turn`, `calls`, `present`, the block in each slot; `victim`, the slot that would be next, and `found`, the slot
/// of the turn's block.
fn victims(rng: &mut Rng, record: &Record) {
    let Ok(mut cache) = Cache::new(4) else { return record.saw(format_args!("error=out_of_memory")) };
    let mut device = Noted::default();
    for turn in 0..60_u8 {
        let block = rng.u64(..10);
        let dirty = rng.bool();
        if let Ok(index) = load(&mut cache, &mut device, block, false)
            && dirty
        {
            change(&mut cache, index, turn);
        }
        if turn % 10 == 9 {
            let (calls, present) = (device.taken(), present(&cache));
            let (next, found) = (victim(&cache), find(&cache, block));
            let found = List(found.iter());
            record.saw(format_args!("turn={turn} calls={calls} present={present} victim={next} found={found}"));
        }
    }
}

/// Flushes.
///
/// Draws: in each of five rounds, `count = rng.usize(..8)`, and so often `block = rng.u64(..1000)`, `dirty = rng.u8(..3) != 0`; the block is loaded, and
/// filled if it is dirty. After each round there is a flush, and another one. Then six blocks from 2000 on are loaded and filled, then six from 3000 on only
/// loaded, into a cache of six slots, and there is one more flush.
/// Records, for each flush: `flush`, its number; `calls` since the last; `dirty` slots afterwards.
fn flushed(rng: &mut Rng, record: &Record) {
    let Ok(mut cache) = Cache::new(6) else { return record.saw(format_args!("error=out_of_memory")) };
    let mut device = Noted::default();
    let mut number = 0;
    let mut flush = |cache: &mut Cache, device: &mut Noted| {
        let done = flush(cache, device).is_ok();
        let (calls, dirty) = (device.taken(), cache.dirty());
        record.saw(format_args!("flush={number} done={done} calls={calls} dirty={dirty}"));
        number += 1;
    };
    for round in 0..5 {
        for _ in 0..rng.usize(..8) {
            let block = rng.u64(..1000);
            let dirty = rng.u8(..3) != 0;
            load_and_change(&mut cache, &mut device, block, dirty, round);
        }
        flush(&mut cache, &mut device);
        flush(&mut cache, &mut device);
    }
    for (start, dirty) in [(2000, true), (3000, false)] {
        (start..start + 6).for_each(|block| load_and_change(&mut cache, &mut device, block, dirty, 0));
    }
    flush(&mut cache, &mut device);
}

fn load_and_change(cache: &mut Cache, device: &mut Noted, block: u64, dirty: bool, byte: u8) {
    if let Ok(index) = load(cache, device, block, false)
        && dirty
    {
        change(cache, index, byte);
    }
}

/// Fills a slot, which is dirty from then on.
pub fn change(cache: &mut Cache, index: usize, byte: u8) {
    cache.slots[index].bytes.fill(byte);
    cache.slots[index].dirty = true;
}

/// The block in each slot, `x` for none.
pub fn present(cache: &Cache) -> String {
    let shown = |slot: &Slot| slot.block.map_or("x".into(), |block| format!("{block}"));
    format!("{}", List(cache.slots.iter().map(shown)))
}

/// A device that notes its calls: `rN` for reading block N, `wN:B` for writing it with B as its last byte, `f` for a flush; with `!` behind it if
/// it failed.
#[derive(Default)]
pub struct Noted {
    calls: Vec<String>,
    /// Calls until one fails; `None` if none does.
    pub fails_after: Option<u8>,
}

impl Noted {
    /// What was called since this was called last.
    pub fn taken(&mut self) -> String {
        format!("{}", List(core::mem::take(&mut self.calls).iter()))
    }

    /// Fails with how many calls were noted before.
    fn call(&mut self, call: String) -> Result<(), usize> {
        let fails = self.fails_after == Some(0);
        self.fails_after = self.fails_after.and_then(|left| left.checked_sub(1));
        let number = self.calls.len();
        self.calls.push(if fails { call + "!" } else { call });
        if fails { Err(number) } else { Ok(()) }
    }
}

impl Blocks for Noted {
    type Error = usize;

    fn read(&mut self, block: u64, bytes: &mut [u8]) -> Result<(), usize> {
        bytes.fill(100_u8.wrapping_add(block as u8));
        self.call(format!("r{block}"))
    }

    fn write(&mut self, block: u64, bytes: &[u8]) -> Result<(), usize> {
        self.call(format!("w{block}:{}", bytes.last().copied().unwrap_or(0)))
    }

    fn flush(&mut self) -> Result<(), usize> {
        self.call("f".into())
    }
}
