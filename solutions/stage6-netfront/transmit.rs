//! Reference for exercise 6c: frames into pages, and pages back.

use alloc::vec::Vec;

use console::types::PAGE_SIZE;

use crate::netif::{LONGEST, NULL, OKAY, SHORTEST, TxFlags};
use crate::pages::Page;
use crate::rx::Broken;
use crate::tx::{Reaped, SendError, Transmitter};

/// Puts requests for a frame.
pub fn send(transmitter: &mut impl Transmitter, frame: &[u8], blank: bool) -> Result<(), SendError> {
    if frame.len() < SHORTEST {
        return Err(SendError::TooShort);
    }
    if frame.len() > LONGEST || (frame.len() > PAGE_SIZE && !transmitter.gathers()) {
        return Err(SendError::TooLong);
    }
    let parts = frame.len().div_ceil(PAGE_SIZE);
    if (transmitter.room() as usize) < parts {
        return Err(SendError::Full);
    }
    let pages = take_pages(transmitter, parts)?;
    let mut flags = if blank { TxFlags::CHECKSUM_BLANK } else { TxFlags::empty() };
    for (index, (part, page)) in frame.chunks(PAGE_SIZE).zip(pages).enumerate() {
        flags.set(TxFlags::MORE, index + 1 < parts);
        transmitter.fill(&page, part);
        transmitter.offer(page, flags, if index == 0 { frame.len() } else { part.len() } as u16);
        flags = TxFlags::empty();
    }
    Ok(())
}

/// All of them, or none.
fn take_pages<T: Transmitter>(transmitter: &mut T, parts: usize) -> Result<Vec<Page>, SendError> {
    let mut pages = Vec::new();
    pages.try_reserve(parts).map_err(|_| SendError::Full)?;
    while pages.len() < parts {
        match transmitter.spare() {
            Some(page) => pages.push(page),
            None => {
                pages.into_iter().for_each(|page| transmitter.give_back(page));
                return Err(SendError::Full);
            }
        }
    }
    Ok(pages)
}

/// Takes all responses that are there.
pub fn reap(transmitter: &mut impl Transmitter) -> Result<Reaped, Broken> {
    let mut reaped = Reaped::default();
    while let Some(response) = transmitter.take()? {
        if response.status == NULL {
            continue;
        }
        let page = transmitter.withdraw(response.id).ok_or(Broken)?;
        transmitter.give_back(page);
        match response.status {
            OKAY => reaped.sent += 1,
            _ => reaped.failed += 1,
        }
    }
    Ok(reaped)
}
