//! Requests: from "these bytes, there" to the words in the ring.
//!
//! A transfer can be of any length; a request can't. So a transfer is checked against the disk, cut into parts that a request can
//! hold, each part is spread over pages, and the request gets its form, which [`blkif`](crate::blkif) describes.
//!
//! Invariant: a request never reaches beyond the disk, beyond its pages, or into a page's bytes that aren't part of the transfer.

use alloc::vec::Vec;

use xenbus::grants::GrantRef;

use crate::blkif::{Operation, WORDS};
use crate::error::Reason;
use crate::request as exercise;

/// What a disk allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How large it is.
    pub sectors: u64,
    /// Sectors in one of its own blocks.
    pub block: u64,
    /// It can't be written to.
    pub read_only: bool,
    /// Segments that a request may have at most.
    pub segments: usize,
}

/// What one request transfers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The first sector.
    pub sector: u64,
    /// How many there are.
    pub sectors: usize,
}

/// Sectors of one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// The page.
    pub page: GrantRef,
    /// The first of its sectors that takes part.
    pub first: u8,
    /// The last that does.
    pub last: u8,
}

/// A request that has yet to get its form.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What it asks for.
    pub operation: Operation,
    /// The disk, as the backend knows it.
    pub handle: u16,
    /// By which its response will be known.
    pub id: u64,
    /// The first sector; 0 for a flush.
    pub sector: u64,
    /// How many there are, for a discard.
    pub sectors: u64,
    /// The memory, for reading and writing.
    pub segments: &'a [Segment],
    /// The page in which the segments stand, where they are too many for the request itself.
    pub table: Option<GrantRef>,
}

/// Whether the disk allows an operation on these sectors; exercise 7a.
///
/// # Errors
/// [`Reason::ReadOnly`], [`Reason::Unaligned`] or [`Reason::BeyondEnd`], in this order.
pub fn check(limits: &Limits, operation: Operation, sector: u64, sectors: u64) -> Result<(), Reason> {
    exercise::check(limits, operation, sector, sectors)
}

/// Cuts a transfer into parts of at most so many segments of a whole page each; exercise 7a.
pub fn cut(sector: u64, sectors: usize, segments: usize) -> Vec<Part> {
    exercise::cut(sector, sectors, segments)
}

/// Spreads so many sectors over these pages, from the first one's beginning on; exercise 7a.
pub fn spread(sectors: usize, pages: &[GrantRef]) -> Vec<Segment> {
    exercise::spread(sectors, pages)
}

/// The word of a segment; exercise 7a.
pub fn encode_segment(segment: &Segment) -> u64 {
    exercise::encode_segment(segment)
}

/// The words of a request; exercise 7a.
pub fn encode(request: &Request<'_>) -> [u64; WORDS] {
    exercise::encode(request)
}
