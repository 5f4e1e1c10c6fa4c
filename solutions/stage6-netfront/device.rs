//! Reference for exercise 6d: an interface for smoltcp.

use smoltcp::phy::{Checksum as Ours, DeviceCapabilities, Medium};

use crate::checksum;
use crate::netif::SHORTEST;
use crate::phy::{Unfit, Wire};
use crate::rx::{Checksum, Frame};

/// What smoltcp has to know.
pub fn capabilities(wire: &impl Wire) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = wire.mtu() + SHORTEST;
    capabilities.max_burst_size = None;
    capabilities.checksum.tcp = Ours::None;
    capabilities.checksum.udp = Ours::None;
    capabilities
}

/// Takes frames until one is fit to be seen.
pub fn receive(wire: &mut impl Wire) -> Option<Frame> {
    while wire.can_send() {
        let frame = wire.receive()?;
        match unfit(&frame, wire.mtu() + SHORTEST) {
            None => return Some(frame),
            Some(why) => wire.unfit(why),
        }
    }
    None
}

fn unfit(frame: &Frame, most: usize) -> Option<Unfit> {
    if frame.bytes.len() < SHORTEST {
        Some(Unfit::TooShort)
    } else if frame.bytes.len() > most {
        Some(Unfit::TooLong)
    } else if frame.checksum == Checksum::Unknown && !checksum::verify(&frame.bytes) {
        Some(Unfit::Damaged)
    } else {
        None
    }
}

/// Sends a frame.
pub fn send<R>(wire: &mut impl Wire, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut frame = wire.buffer(length);
    let result = fill(&mut frame);
    let blank = checksum::finish(&mut frame, wire.offload());
    wire.send(frame, blank);
    result
}
