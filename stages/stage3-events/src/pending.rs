//! Which ports are pending, as Xen and a vCPU tell each other.
//!
//! Follows the 2-level interface of Xen's `common/event_2l.c` and `public/xen.h`. There are 4096 ports in 64 words of
//! 64 bits, and for each vCPU one *selector*, in which bit w says that something may be pending in word w, and one
//! *flag*, which says that the selector isn't 0. Xen, with an event for port p of this vCPU,
//!
//! 1. sets bit p of the pending words; if it was set already, or p is masked, it is done;
//! 2. sets bit p / 64 of the selector; if it was set already, it is done;
//! 3. sets the flag, and calls the vCPU.
//!
//! So a port that stays pending gets no second call, and neither does a word whose selector bit stays set: whoever
//! takes events goes the same way in the other direction, and misses nothing that comes meanwhile.
//!
//! Invariant: [`scan`] hands out ports that were pending, each as often as it was, and none that is masked or another
//! vCPU's.

use console::types::Port;

use crate::scan as exercise;

/// Words of ports.
pub const WORDS: usize = 64;
/// Ports that there can be; 0 is never one.
pub const PORTS: u32 = 4096;

// ANCHOR: pending_ports
/// What a vCPU sees of the ports: what exercise 3a works on. The checks have one of their own, which notes each
/// access, and on which events come at the worst of moments.
pub trait PendingPorts {
    /// Whether Xen has set the flag since it was last cleared.
    fn flag(&self) -> bool;

    /// Clears the flag.
    fn clear_flag(&mut self);

    /// Takes the selector and leaves 0, in one step.
    fn take_selector(&mut self) -> u64;

    /// Loads a word of pending bits.
    ///
    /// # Panics
    /// If there is no such word: `word` must be less than [`WORDS`].
    fn pending(&self, word: usize) -> u64;

    /// Loads a word of bits of which those are set whose ports may be taken now: they aren't masked, and they are
    /// this vCPU's.
    ///
    /// # Panics
    /// As [`pending`](Self::pending).
    fn enabled(&self, word: usize) -> u64;

    /// Clears the pending bit of a port, and no other.
    ///
    /// # Panics
    /// If there is no such port: it must be less than [`PORTS`].
    fn clear_pending(&mut self, port: Port);
}
// ANCHOR_END: pending_ports

/// Calls `deliver` for each port that is pending and enabled, until the flag stays clear; exercise 3a.
///
/// A port's pending bit is cleared before it is delivered, so that an event which comes during its delivery counts as
/// a further one, and is delivered as well. Ports that are not enabled stay pending.
pub fn scan(ports: &mut impl PendingPorts, deliver: impl FnMut(Port)) {
    exercise::scan(ports, deliver);
}
