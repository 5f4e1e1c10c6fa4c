//! The demo `app=away`: what dom0 sees of vCPUs that work, and of one that is switched off meanwhile.

use alloc::sync::Arc;
use alloc::vec::Vec;
use console::boot_info::CommandLine;
use console::{input, println};

use crate::smp;
use crate::sync::Completion;
use crate::thread::{self, Builder, JoinHandle};

/// Keeps all vCPUs busy until a key is typed; then with the last one switched off, until the next; then with all of them again.
pub(super) fn away(_: CommandLine<'_>) {
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
        println!("{word}; a key goes on");
        input::read_byte();
    }
    stop.complete();
    busy.into_iter().for_each(JoinHandle::join);
}
