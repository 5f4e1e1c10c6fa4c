//! Reference for exercise 6a: the numbers of a shared ring.

use crate::shared_ring::{HEADER, Header, Overrun, PAGE};

/// The largest power of two of slots that fit.
pub fn slots(bytes: usize) -> u32 {
    let fit = (PAGE - HEADER).checked_div(bytes).unwrap_or(0);
    fit.checked_ilog2().map_or(0, |bits| 1 << bits)
}

/// How many responses have come.
pub fn waiting(header: &impl Header, requested: u32, consumed: u32) -> Result<u32, Overrun> {
    let waiting = header.response_producer().wrapping_sub(consumed);
    let possible = requested.wrapping_sub(consumed);
    if waiting <= possible { Ok(waiting) } else { Err(Overrun) }
}

/// Shows requests. `req_event` is the count at which the backend wants to be told: it is among the new ones if it lies less far
/// behind `to` than `from` does.
pub fn publish(header: &impl Header, from: u32, to: u32) -> bool {
    header.set_request_producer(to);
    header.barrier();
    to.wrapping_sub(header.request_event()) < to.wrapping_sub(from)
}

/// Asks for an event, and looks once more.
pub fn ask_for_event(header: &impl Header, consumed: u32) -> bool {
    header.set_response_event(consumed.wrapping_add(1));
    header.barrier();
    header.response_producer() != consumed
}
