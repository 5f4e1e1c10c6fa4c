//! `app=storm`: events that come while the upcall before them returns, and how deep the stack gets.
//!
//! Such an event must wait until that upcall has left the stack. Otherwise each would be taken on top of the last, and in a storm
//! the stack would have no end.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use console::boot_info::CommandLine;
use console::println;
use console::types::Port;

use crate::context::{Context, Resume};
use crate::port;
use crate::upcall::replace_resume;

static PORT: AtomicU32 = AtomicU32::new(0);
static LEFT: AtomicU64 = AtomicU64::new(0);
static CAME: AtomicU64 = AtomicU64::new(0);
static LOWEST: AtomicU64 = AtomicU64::new(u64::MAX);

/// Has `count=` upcalls each send the event for the next, when there is nothing left to do but to return.
pub(super) fn storm(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 20_000);
    let binding = match port::bind_ipi(0, |_| (), 0) {
        Ok(binding) => binding,
        Err(error) => return println!("no port: {error}"),
    };
    PORT.store(binding.port().0, Ordering::Relaxed);
    LEFT.store(count, Ordering::Relaxed);
    let before = replace_resume(send as fn(*mut Context) -> Resume as *mut ());
    if let Err(error) = binding.notify() {
        println!("no event: {error}");
    }
    while LEFT.load(Ordering::Relaxed) > 0 {
        core::hint::spin_loop();
    }
    replace_resume(before);
    let deepest = stack_pointer().saturating_sub(LOWEST.load(Ordering::Relaxed));
    println!("{} upcalls, each ending with an event", CAME.load(Ordering::Relaxed));
    println!("deepest {deepest} bytes below what was interrupted");
}

/// The last thing that an upcall does: nobody looks for events any more.
fn send(interrupted: *mut Context) -> Resume {
    LOWEST.fetch_min(stack_pointer(), Ordering::Relaxed);
    let left = LEFT.load(Ordering::Relaxed);
    if left > 0 {
        LEFT.store(left - 1, Ordering::Relaxed);
        CAME.fetch_add(1, Ordering::Relaxed);
        let _ = console::xen::notify(Port(PORT.load(Ordering::Relaxed)));
    }
    Resume::same(interrupted)
}

fn stack_pointer() -> u64 {
    let rsp: u64;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, rsp", out(reg) rsp, options(nomem, nostack, preserves_flags)) };
    rsp
}
