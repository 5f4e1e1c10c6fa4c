//! Exercise 3a: the scan for pending ports. (Its reference is solutions/stage3-events/scan.rs.)
//!
//! [`pending`](crate::pending) says what Xen does, and describes the six operations of [`PendingPorts`].

use console::lab_todo;
use console::types::Port;

use crate::pending::PendingPorts;

/// Calls `deliver` for each port that is pending and enabled, until the flag stays clear.
///
/// - Clear the flag, then take the selector, then look at the words whose bits are set in it, and at no others.
/// - Bit n of word w is port 64 w + n.
/// - Clear a port's pending bit before you deliver it, and deliver it once for that.
/// - Leave ports alone that are not enabled. A handler may change which are: look again after each delivery.
/// - When all that is done, look at the flag: events may have come meanwhile, from Xen or from a handler.
pub fn scan(ports: &mut impl PendingPorts, deliver: impl FnMut(Port)) {
    lab_todo!("3a", ports, deliver)
}
