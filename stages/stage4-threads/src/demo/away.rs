//! The demo `app=away`: what dom0 sees of vCPUs that work, and of one that is switched off meanwhile.

use core::time::Duration;

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::println;

use crate::smp;
use crate::sync::Completion;
use crate::thread::{self, Builder, JoinHandle};

/// Keeps all vCPUs busy: for `ms=` milliseconds, then for as long with the last one switched off, then with all of them again.
pub(super) fn away(command_line: CommandLine<'_>) {
    let span = Duration::from_millis(super::number(command_line, "ms", 1000));
    let last = smp::online().iter().last().unwrap_or(0);
    let stop = Arc::new(Completion::new());
    thread::current().set_priority(15);
    let busy = (0..2 * (last + 1)).filter_map(|_| {
        let stop = stop.clone();
        let spin = move || {
            while !stop.is_complete() {
                core::hint::spin_loop();
            }
        };
        Builder::new().name("busy").spawn(spin).ok()
    });
    let busy: Vec<JoinHandle<()>> = busy.collect();
    for (word, on) in [("all busy", true), ("one away", false), ("all back", true)] {
        if let Err(error) = smp::set_online(last, on) {
            println!("cpu {last} can't be switched: {error}");
        }
        println!("{word}");
        thread::sleep(span);
    }
    stop.complete();
    busy.into_iter().for_each(JoinHandle::join);
}
