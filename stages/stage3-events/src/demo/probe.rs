//! `app=probe`: exceptions that somebody takes care of, so that the guest goes on.

use console::bedrock::TrapFrame;
use console::boot_info::CommandLine;
use console::println;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::{fixup, trap};

const INVALID_OPCODE: u8 = 6;
static SEEN: AtomicU64 = AtomicU64::new(0);

/// Reads from addresses of which some aren't there, and executes an invalid instruction a thousand times.
pub(super) fn probe(_: CommandLine<'_>) {
    static WORD: AtomicU64 = AtomicU64::new(0x5741_5244);
    let places = [("a variable", WORD.as_ptr().addr() as u64), ("the null page", 0x10), ("nowhere", 0x4000_0000_0000)];
    for (name, address) in places {
        // SAFETY: reading ordinary memory does no harm, and at the other two there is nothing.
        match unsafe { fixup::read(address) } {
            Some(word) => println!("{name}: {word:#x}"),
            None => println!("{name}: can't be read"),
        }
    }
    trap::set_handler(INVALID_OPCODE, skip);
    for _ in 0..1000 {
        invalid_instruction();
    }
    trap::remove_handler(INVALID_OPCODE);
    println!("{} invalid instructions left out", SEEN.load(Ordering::Relaxed));
}

/// Takes an invalid instruction of two bytes for one that does nothing.
fn skip(frame: &mut TrapFrame) -> bool {
    SEEN.fetch_add(1, Ordering::Relaxed);
    frame.rip += 2;
    true
}

#[inline(never)]
fn invalid_instruction() {
    // SAFETY: the handler leaves it out.
    unsafe { core::arch::asm!("ud2") };
}
