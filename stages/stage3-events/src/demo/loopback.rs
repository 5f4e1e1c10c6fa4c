//! `app=loopback`: events between two ports of this domain, counted.

use core::sync::atomic::{AtomicU64, Ordering};

use console::boot_info::CommandLine;
use console::idle;
use console::println;
use console::types::Domid;

use crate::clock;
use crate::port::{self, Binding, PortError};

static CAME: AtomicU64 = AtomicU64::new(0);

/// Sends `count=` events from one port to another, one at a time; then as many while the other is masked.
pub(super) fn loopback(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 10_000);
    match pair() {
        Ok((ours, theirs)) => {
            one_by_one(&ours, count);
            masked(&ours, &theirs, count.min(1000));
        }
        Err(error) => println!("no ports: {error}"),
    }
}

/// Two ports that are each other's ends. Connecting makes one event, which is waited for and forgotten.
fn pair() -> Result<(Binding, Binding), PortError> {
    let theirs = port::allocate_unbound(Domid::SELF, came, 0)?;
    let ours = port::bind_interdomain(Domid::SELF, theirs.port(), |_| {}, 0)?;
    CAME.store(0, Ordering::Relaxed);
    Ok((ours, theirs))
}

fn came(_: usize) {
    CAME.fetch_add(1, Ordering::Relaxed);
}

fn one_by_one(ours: &Binding, count: u64) {
    let begun = clock::now();
    for sent in 1..=count {
        if let Err(error) = ours.notify() {
            println!("event {sent} was refused: {error}");
            break;
        }
        idle::wait_until(|| CAME.load(Ordering::Relaxed) >= sent);
    }
    let took = clock::now().since(begun);
    let each = took.as_nanos() as u64 / count.max(1);
    println!("{count} events sent, {} came, {each} ns each", CAME.load(Ordering::Relaxed));
}

fn masked(ours: &Binding, theirs: &Binding, count: u64) {
    CAME.store(0, Ordering::Relaxed);
    for sent in 1..=count {
        theirs.mask();
        let _ = ours.notify();
        let _ = ours.notify();
        theirs.unmask();
        // Not always at once: while another processor of Xen's is about to set the flag for a port of the same word, it leaves
        // that to it.
        idle::wait_until(&mut || CAME.load(Ordering::Relaxed) >= sent);
    }
    println!("{count} times two events while masked: {} came", CAME.load(Ordering::Relaxed));
}
