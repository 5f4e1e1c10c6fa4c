//! Reference for exercise 7a: building requests.

use alloc::vec::Vec;

use xenbus::grants::GrantRef;

use crate::blkif::{INDIRECT_OPERATION, Operation, SECTOR, SECTORS_A_PAGE, WORDS};
use crate::error::Reason;
use crate::requests::{Limits, Part, Request, Segment};

pub fn check(limits: &Limits, operation: Operation, sector: u64, sectors: u64) -> Result<(), Reason> {
    match operation {
        Operation::Flush => return Ok(()),
        Operation::Write | Operation::Discard if limits.read_only => return Err(Reason::ReadOnly),
        _ => {}
    }
    if !sector.is_multiple_of(limits.block) || !sectors.is_multiple_of(limits.block) {
        return Err(Reason::Unaligned);
    }
    let end = sector.saturating_add(sectors);
    if end > limits.sectors {
        let bytes = |sectors: u64| sectors.saturating_mul(SECTOR as u64);
        return Err(Reason::BeyondEnd { end: bytes(end), size: bytes(limits.sectors) });
    }
    Ok(())
}

pub fn cut(sector: u64, sectors: usize, segments: usize) -> Vec<Part> {
    let most = segments * SECTORS_A_PAGE;
    let starts = (0..sectors).step_by(most);
    starts.map(|start| Part { sector: sector + start as u64, sectors: most.min(sectors - start) }).collect()
}

pub fn spread(sectors: usize, pages: &[GrantRef]) -> Vec<Segment> {
    let starts = (0..sectors).step_by(SECTORS_A_PAGE);
    let segment = |(start, page): (usize, &GrantRef)| {
        let here = SECTORS_A_PAGE.min(sectors - start);
        Segment { page: *page, first: 0, last: here as u8 - 1 }
    };
    starts.zip(pages).map(segment).collect()
}

pub fn encode_segment(segment: &Segment) -> u64 {
    u64::from(segment.page.0) | u64::from(segment.first) << 32 | u64::from(segment.last) << 40
}

pub fn encode(request: &Request<'_>) -> [u64; WORDS] {
    let operation = request.operation as u64;
    let handle = u64::from(request.handle);
    let count = request.segments.len() as u64;
    let mut words = [0; WORDS];
    words[1] = request.id;
    words[2] = request.sector;
    match (request.operation, request.table) {
        (_, Some(table)) => {
            words[0] = u64::from(INDIRECT_OPERATION) | operation << 8 | count << 16;
            words[3] = handle | u64::from(table.0) << 32;
        }
        (Operation::Discard, None) => {
            words[0] = operation | handle << 16;
            words[3] = request.sectors;
        }
        (_, None) => {
            words[0] = operation | count << 8 | handle << 16;
            for (word, segment) in words[3..].iter_mut().zip(request.segments) {
                *word = encode_segment(segment);
            }
        }
    }
    words
}
