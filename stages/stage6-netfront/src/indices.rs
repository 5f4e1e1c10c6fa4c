//! Exercise 6a: the numbers of a shared ring. (Its reference is solutions/stage6-netfront/indices.rs.)
//!
//! [`shared_ring`](crate::shared_ring) describes the ring. All counts run from 0 to `u32::MAX` and on from 0.

use console::lab_todo;

use crate::shared_ring::{Header, Overrun};

/// The largest power of two of slots of `bytes` bytes that fit behind the header of [`HEADER`](crate::shared_ring::HEADER) bytes in a
/// page of [`PAGE`](crate::shared_ring::PAGE) bytes. 0 if none fits, or `bytes` is 0.
pub fn slots(bytes: usize) -> u32 {
    lab_todo!("6a", bytes)
}

/// How many responses have come that were not consumed. The producer is loaded once.
///
/// More responses than were requested and not consumed are an [`Overrun`].
pub fn waiting(header: &impl Header, requested: u32, consumed: u32) -> Result<u32, Overrun> {
    lab_todo!("6a", header, requested, consumed)
}

/// Stores the new producer `to`; then, behind a barrier, loads `req_event`, once. The backend has to be told if it asks for a
/// request among those that are new: from number `from` up to, and without, `to`.
pub fn publish(header: &impl Header, from: u32, to: u32) -> bool {
    lab_todo!("6a", header, from, to)
}

/// Stores the `rsp_event` that asks for the first response behind those consumed; then, behind a barrier, looks whether there is one
/// already.
pub fn ask_for_event(header: &impl Header, consumed: u32) -> bool {
    lab_todo!("6a", header, consumed)
}
