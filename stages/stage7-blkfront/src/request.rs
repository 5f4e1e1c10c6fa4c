//! Exercise 7a: building requests. (Its reference is solutions/stage7-blkfront/request.rs.)
//!
//! [`blkif`](crate::blkif) has the form of a request, [`requests`](crate::requests) the types.

use alloc::vec::Vec;

use console::lab_todo;
use xenbus::grants::GrantRef;

use crate::blkif::{Operation, WORDS};
use crate::error::Reason;
use crate::requests::{Limits, Part, Request, Segment};

/// Whether the disk allows an operation on sectors `sector` to `sector + sectors`, the last one not included.
///
/// - `Write` and `Discard` on a disk that is read-only: `ReadOnly`.
/// - If `sector` or `sectors` isn't a multiple of the disk's `block`: `Unaligned`.
/// - If it ends beyond the disk: `BeyondEnd`, with both ends in bytes. Numbers too large for 64 bits are `u64::MAX`.
/// - A `Flush` is always allowed.
pub fn check(limits: &Limits, operation: Operation, sector: u64, sectors: u64) -> Result<(), Reason> {
    lab_todo!("7a", limits, operation, sector, sectors)
}

/// Cuts a transfer into parts, in order, each as large as `segments` pages allow; only the last may be smaller.
///
/// - Nothing has no parts. `segments` is at least 1.
pub fn cut(sector: u64, sectors: usize, segments: usize) -> Vec<Part> {
    lab_todo!("7a", sector, sectors, segments)
}

/// Spreads `sectors` over `pages`: each page is filled before the next one is begun.
///
/// - There are as many segments as are needed. Pages that aren't needed are left out.
/// - The last segment ends with the last sector of the transfer, not with its page.
pub fn spread(sectors: usize, pages: &[GrantRef]) -> Vec<Segment> {
    lab_todo!("7a", sectors, pages)
}

/// The word of a segment.
pub fn encode_segment(segment: &Segment) -> u64 {
    lab_todo!("7a", segment)
}

/// The words of a request.
///
/// - With a `table` it is indirect: the segments aren't in the request then, only their number is.
pub fn encode(request: &Request<'_>) -> [u64; WORDS] {
    lab_todo!("7a", request)
}
