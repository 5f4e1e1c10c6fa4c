//! Exercise 6c: frames into pages, and pages back. (Its reference is solutions/stage6-netfront/transmit.rs.)
//!
//! [`tx`](crate::tx) describes the ring of frames to be sent, and [`netif`](crate::netif) what stands in its slots.

use console::lab_todo;

use crate::rx::Broken;
use crate::tx::{Reaped, SendError, Transmitter};

/// Puts requests for a frame: one for each page that it fills, in order, of which all but the last have `MORE`. The size in
/// the first is that of the whole frame, in the others that of the part. If `blank`, the first has `CHECKSUM_BLANK`.
///
/// Less than `SHORTEST` bytes are `TooShort`. More than `LONGEST`, or more than a page if the backend doesn't gather, are `TooLong`.
/// If the ring has no room for all parts, or there is no page for each, it is `Full`: nothing was put, and all pages were given back.
pub fn send(transmitter: &mut impl Transmitter, frame: &[u8], blank: bool) -> Result<(), SendError> {
    lab_todo!("6c", transmitter, frame, blank)
}

/// Takes all responses that are there, gives the page of each back, and counts: `OKAY` is sent, everything else failed. A response of
/// status `NULL` is none of a part: it is skipped, whatever its id. An id under which no page is offered: `Broken`.
pub fn reap(transmitter: &mut impl Transmitter) -> Result<Reaped, Broken> {
    lab_todo!("6c", transmitter)
}
