//! Reference for exercise 6b: pages for frames, and frames out of pages.

use alloc::vec::Vec;

use console::types::PAGE_SIZE;

use crate::netif::{LONGEST, RxFlags, RxResponse};
use crate::pages::Page;
use crate::rx::{Broken, Checksum, Dropped, Frame, Received, Receiver};

/// Offers spare pages.
pub fn refill(receiver: &mut impl Receiver) -> u32 {
    let mut offered = 0;
    while receiver.room() > 0 {
        let Some(page) = receiver.spare() else { break };
        let id = receiver.next() & (receiver.slots() - 1);
        receiver.offer(id as u16, page);
        offered += 1;
    }
    if offered > 0 {
        receiver.publish();
    }
    offered
}

/// Takes the next frame.
pub fn collect(receiver: &mut impl Receiver) -> Result<Option<Received>, Broken> {
    let mut bytes = Vec::new();
    let mut checksum = None;
    let mut dropped = None;
    loop {
        let Some((id, words, page)) = next(receiver)? else {
            let cut = Received::Dropped(dropped.unwrap_or(Dropped::Cut));
            return Ok(checksum.map(|_| cut));
        };
        let response = RxResponse::new(words);
        if response.id != id {
            return Err(Broken);
        }
        checksum.get_or_insert(said(response.flags));
        let appended = append(receiver, &response, &page, &mut bytes);
        receiver.give_back(page);
        dropped = dropped.or(appended.err());
        if response.flags.contains(RxFlags::EXTRA) && !skip_extra(receiver)? {
            return Ok(Some(Received::Dropped(dropped.unwrap_or(Dropped::Cut))));
        }
        if !response.flags.contains(RxFlags::MORE) {
            break;
        }
    }
    let checksum = checksum.unwrap_or(Checksum::Unknown);
    Ok(Some(dropped.map_or(Received::Frame(Frame { bytes, checksum }), Received::Dropped)))
}

/// The next response: the id that it should have, its words, and its page.
fn next<R: Receiver>(receiver: &mut R) -> Result<Option<(u16, [u32; 2], Page)>, Broken> {
    let Some((number, words)) = receiver.take()? else { return Ok(None) };
    let id = (number & (receiver.slots() - 1)) as u16;
    let page = receiver.withdraw(id).ok_or(Broken)?;
    Ok(Some((id, words, page)))
}

fn append<R: Receiver>(
    receiver: &mut R,
    response: &RxResponse,
    page: &Page,
    bytes: &mut Vec<u8>,
) -> Result<(), Dropped> {
    let count = usize::try_from(response.status).map_err(|_| Dropped::Refused)?;
    let offset = usize::from(response.offset);
    if offset + count > PAGE_SIZE {
        return Err(Dropped::OutOfPage);
    }
    if bytes.len() + count > LONGEST {
        return Err(Dropped::TooLong);
    }
    if receiver.copy(page, offset, count, bytes) { Ok(()) } else { Err(Dropped::OutOfMemory) }
}

/// Takes what is said about a frame. Returns whether it was there to its end.
fn skip_extra<R: Receiver>(receiver: &mut R) -> Result<bool, Broken> {
    while let Some((_, words, page)) = next(receiver)? {
        receiver.give_back(page);
        if !RxResponse::more_extra(words) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn said(flags: RxFlags) -> Checksum {
    if flags.contains(RxFlags::CHECKSUM_BLANK) {
        Checksum::Blank
    } else if flags.contains(RxFlags::VALIDATED) {
        Checksum::Valid
    } else {
        Checksum::Unknown
    }
}
