//! The check of exercise 7c in which the device fails.

use alloc::format;

use blkfront::block_cache::{Cache, flush, load};
use console::bedrock::{Record, Reporter};
use fastrand::Rng;

use super::cache::{Noted, change, present};

/// Runs it.
pub fn run(reporter: &Reporter) {
    reporter.check("7c.failures", failures);
}

/// Failures at random moments.
///
/// Draws, in each of 60 turns: `flushes = rng.u8(..4) == 0`, `block = rng.u64(..8)`, `dirty = rng.u8(..3) != 0`, `fails = rng.bool()`, `after = rng.u8(..3)`.
/// If `fails`, the device's call after `after` others fails, in this turn only. Then there is a flush, or the block is loaded into a cache of four slots, and
/// filled with the turn's number if `dirty`.
/// Records, for each: `turn`; `result`: `ok`, or the number of the call in this turn that failed; `calls`; `present`; `dirty`, how many slots; `unflushed`.
fn failures(rng: &mut Rng, record: &Record) {
    let Ok(mut cache) = Cache::new(4) else { return record.saw(format_args!("error=out_of_memory")) };
    let mut device = Noted::default();
    for turn in 0..60_u8 {
        let flushes = rng.u8(..4) == 0;
        let block = rng.u64(..8);
        let dirty = rng.u8(..3) != 0;
        let fails = rng.bool();
        let after = rng.u8(..3);
        device.fails_after = fails.then_some(after);
        let result = if flushes {
            flush(&mut cache, &mut device)
        } else {
            load(&mut cache, &mut device, block, false).map(|index| {
                if dirty {
                    change(&mut cache, index, turn);
                }
            })
        };
        let result = result.map_or_else(|number| format!("{number}"), |()| "ok".into());
        let (calls, present, left, unflushed) = (device.taken(), present(&cache), cache.dirty(), cache.unflushed);
        record.saw(format_args!(
            "turn={turn} result={result} calls={calls} present={present} dirty={left} unflushed={unflushed}"
        ));
    }
}
