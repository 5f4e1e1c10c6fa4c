//! `app=ports`: opens all ports that there are, and sends events to those at the ends of something.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use console::boot_info::CommandLine;
use console::println;

use crate::pending::PORTS;
use crate::port::{self, Binding};

/// As many as somebody might ask for who doesn't know how many there are.
const ASKED: usize = 5000;
const SHOWN: [u32; 8] = [31, 32, 63, 64, 1023, 1024, 4094, 4095];

static CAME: [AtomicU32; ASKED] = [const { AtomicU32::new(0) }; ASKED];

/// Asks for 5000 ports, sends `count=` events to some of those that it got, and one to each.
pub(super) fn ports(command_line: CommandLine<'_>) {
    let count = super::number(command_line, "count", 100);
    let mut bindings: Vec<Binding> = Vec::new();
    while bindings.len() < ASKED {
        match port::bind_ipi(0, came, bindings.len()) {
            Ok(binding) => bindings.push(binding),
            Err(error) => {
                println!("asked for {ASKED} ports, got {}: {error}", bindings.len());
                break;
            }
        }
    }
    for (index, binding) in bindings.iter().enumerate().filter(|(_, binding)| SHOWN.contains(&binding.port().0)) {
        let before = CAME[index].load(Ordering::Relaxed);
        let refused = (0..count).filter(|_| binding.notify().is_err()).count();
        let came = CAME[index].load(Ordering::Relaxed) - before;
        println!("port {}: {came} of {count} came, {refused} refused", binding.port().0);
    }
    for counter in &CAME {
        counter.store(0, Ordering::Relaxed);
    }
    let sent = bindings.iter().filter(|binding| binding.notify().is_ok()).count();
    let once = CAME.iter().take(bindings.len()).filter(|counter| counter.load(Ordering::Relaxed) == 1).count();
    println!("one to each: {sent} sent, {once} came once");
    let largest = bindings.iter().map(|binding| binding.port().0).max().unwrap_or(0);
    println!("the largest port is {largest} of {}", PORTS - 1);
    drop(bindings);
    match port::bind_ipi(0, came, 0) {
        Ok(binding) => println!("closed them all; the next one is port {}", binding.port().0),
        Err(error) => println!("closed them all, and got none: {error}"),
    }
}

fn came(index: usize) {
    CAME[index].fetch_add(1, Ordering::Relaxed);
}
