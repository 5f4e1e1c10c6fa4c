//! Exercise 6b: pages for frames, and frames out of pages. (Its reference is solutions/stage6-netfront/receive.rs.)
//!
//! [`rx`](crate::rx) describes the ring of received frames, and [`netif`](crate::netif) what stands in its slots.

use console::lab_todo;

use crate::rx::{Broken, Received, Receiver};

/// Offers spare pages as long as there are some and the ring has room, each under the id that is the number of the request modulo the
/// number of slots. If there were any: publishes them, once. Returns how many.
pub fn refill(receiver: &mut impl Receiver) -> u32 {
    lab_todo!("6b", receiver)
}

/// Takes the next frame: all its responses, up to the first without `MORE`.
///
/// - The page of a response is the one offered under its number modulo the number of slots. If there is none, or the response has
///   another id: `Broken`.
/// - Its bytes are appended to the frame, and the page is given back, whatever becomes of the frame.
/// - Behind a response with `EXTRA` stand one or more that hold no part of the frame: each but the last of these has
///   [`more_extra`](crate::netif::RxResponse::more_extra). Their pages are given back, and their ids mean nothing.
/// - A frame is `Dropped`, but all its responses are taken, if a status is negative (`Refused`); a part is not within its page
///   (`OutOfPage`); it has more than `LONGEST` bytes (`TooLong`); it can't be copied (`OutOfMemory`); a response that has to follow isn't
///   there (`Cut`). The first of these that is met counts.
/// - The checksum is what the first response says: `Blank` before `Valid`, otherwise `Unknown`.
pub fn collect(receiver: &mut impl Receiver) -> Result<Option<Received>, Broken> {
    lab_todo!("6b", receiver)
}
