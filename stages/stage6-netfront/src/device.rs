//! Exercise 6d: an interface for smoltcp. (Its reference is solutions/stage6-netfront/device.rs.)
//!
//! [`phy`](crate::phy) says what smoltcp asks for, and has the trait that this file works with.

use console::lab_todo;
use smoltcp::phy::DeviceCapabilities;

use crate::phy::Wire;
use crate::rx::Frame;

/// What smoltcp has to know: frames on Ethernet, of at most the MTU and the Ethernet header together, in bursts of any size.
/// smoltcp itself does not touch the checksums of TCP and UDP; it computes and verifies all others.
pub fn capabilities(wire: &impl Wire) -> DeviceCapabilities {
    lab_todo!("6d", wire)
}

/// Takes frames until one is fit to be seen. Before each, a frame must be possible to be sent; otherwise it stays where it is: `None`.
///
/// Unfit is a frame of less than `SHORTEST` bytes (`TooShort`), of more than the MTU and the Ethernet header (`TooLong`), or whose
/// checksum is `Unknown` and, by [`checksum::verify`](crate::checksum::verify), wrong (`Damaged`). The first of these counts.
pub fn receive(wire: &mut impl Wire) -> Option<Frame> {
    lab_todo!("6d", wire)
}

/// Takes a buffer of `length` bytes, has `fill` write the frame into it, and sends it. Between the two,
/// [`checksum::finish`](crate::checksum::finish) fills in the checksum, or leaves it to the backend where that offers it.
pub fn send<R>(wire: &mut impl Wire, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
    lab_todo!("6d", wire, length, fill)
}
