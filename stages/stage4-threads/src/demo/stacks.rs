//! The demo `app=stacks`: threads that use all of the stack that they asked for.

use core::hint::black_box;

use console::boot_info::CommandLine;
use console::println;

use crate::thread::{self, Builder};

/// What a thread leaves free: for its first frames, and for an interrupt with all registers.
const SPARE: usize = 8 * 1024;
/// What a call of [`fill`] puts on the stack, at least.
const STEP: usize = 1024;

/// Has threads with stacks of different sizes fill them.
pub(super) fn stacks(_: CommandLine<'_>) {
    for kibibytes in [16, 64, 256, 1024, 8192] {
        let size = kibibytes * 1024;
        let builder = Builder::new().name("deep").stack_size(size);
        let used = builder.spawn(move || {
            let stack = thread::current().stack().unwrap_or(0..0);
            let top = here();
            let (lowest, sum) = fill(stack.start + SPARE as u64, 1);
            (stack.end - stack.start, top - lowest, sum)
        });
        match used {
            Ok(used) => {
                let (given, used, sum) = used.join();
                let right = if sum > 0 { "as it was left" } else { "spoilt" };
                println!("asked for {kibibytes} KiB: got {} KiB, used {} KiB, {right}", given / 1024, used / 1024);
            }
            Err(error) => println!("asked for {kibibytes} KiB: {error}"),
        }
    }
}

/// Calls itself until the stack has been filled down to `end`. Returns how far it came, and 0 if anything on the way had changed when
/// it came back.
#[inline(never)]
fn fill(end: u64, depth: u64) -> (u64, u64) {
    let own = black_box([depth; STEP / 8]);
    let (lowest, sum) = if here() > end + 2 * STEP as u64 { fill(end, depth + 1) } else { (here(), 1) };
    let kept = black_box(&own).iter().all(|word| *word == depth);
    (lowest, if kept { sum } else { 0 })
}

/// About where rsp is.
#[inline(never)]
fn here() -> u64 {
    let local = 0_u8;
    black_box(&raw const local).addr() as u64
}
