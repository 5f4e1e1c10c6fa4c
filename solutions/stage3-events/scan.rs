//! Reference for exercise 3a: the scan for pending ports.

use console::types::Port;

use crate::pending::PendingPorts;

/// Calls `deliver` for each port that is pending and enabled, until the flag stays clear.
pub fn scan(ports: &mut impl PendingPorts, mut deliver: impl FnMut(Port)) {
    loop {
        // Xen sets the flag last, so it is cleared first: an event that comes from here on sets it again.
        ports.clear_flag();
        let mut selector = ports.take_selector();
        while selector != 0 {
            let word = selector.trailing_zeros();
            selector &= selector - 1;
            scan_word(ports, word, &mut deliver);
        }
        if !ports.flag() {
            return;
        }
    }
}

fn scan_word(ports: &mut impl PendingPorts, word: u32, deliver: &mut impl FnMut(Port)) {
    let index = word as usize;
    let mut bits = ports.pending(index) & ports.enabled(index);
    while bits != 0 {
        let port = Port(64 * word + bits.trailing_zeros());
        bits &= bits - 1;
        // Before the delivery: what happens during it is another event.
        ports.clear_pending(port);
        deliver(port);
        // A handler may mask other ports, of this word too.
        bits &= ports.enabled(index);
    }
}
