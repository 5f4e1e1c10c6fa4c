//! The page that a guest shares with xenstore's daemon.
//!
//! Follows `struct xenstore_domain_interface` in Xen's `public/io/xs_wire.h`:
//!
//! | offset | field | who writes it |
//! |---|---|---|
//! | 0x000 | `req[1024]`, requests | guest |
//! | 0x400 | `rsp[1024]`, replies | daemon |
//! | 0x800, 0x804 | `req_cons`, `req_prod` | daemon, guest |
//! | 0x808, 0x80c | `rsp_cons`, `rsp_prod` | guest, daemon |
//!
//! Two rings of bytes with free-running indexes, as the console's; where they begin is anybody's guess. A message may be
//! longer than a ring, and then goes through it in pieces.
//!
//! Invariant: the page is never borrowed, each access is one volatile load or store, and an index that can't be true breaks
//! the connection rather than anything else.

use core::sync::atomic::{Ordering, fence};

/// Bytes in each of the two rings.
pub const RING_SIZE: usize = 1024;

const REPLIES: usize = 0x400;
const REQ_CONS: usize = 0x800;
const REQ_PROD: usize = 0x804;
const RSP_CONS: usize = 0x808;
const RSP_PROD: usize = 0x80c;

/// The daemon's index is one that can't be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken;

/// The way to the daemon and back, as bytes. Tests have one with a daemon of their own.
pub trait Ring {
    /// Puts as many leading bytes as there is room for, and returns how many.
    ///
    /// # Errors
    /// If the daemon's index can't be true.
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Broken>;

    /// Takes as many bytes as there are, as `buffer` holds, and returns how many.
    ///
    /// # Errors
    /// If the daemon's index can't be true.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Broken>;
}

/// A page laid out as `struct xenstore_domain_interface`.
pub struct StorePage {
    base: *mut u8,
}

// SAFETY: the page is shared by nature, and accessed only by volatile loads and stores; the pointer is as good on any vCPU.
unsafe impl Send for StorePage {}

impl StorePage {
    /// Takes the page at this address.
    ///
    /// # Safety
    /// `base` must be the page-aligned address of a page that stays mapped readable and writable, and that Rust code accesses
    /// through this value only.
    pub unsafe fn new(base: *mut u8) -> Self {
        Self { base }
    }

    fn index(&self, offset: usize) -> u32 {
        // SAFETY: `offset` is one of the four indexes: aligned, and within the page, which is mapped by `new`'s contract.
        unsafe { self.base.wrapping_add(offset).cast::<u32>().read_volatile() }
    }

    fn set_index(&mut self, offset: usize, value: u32) {
        // SAFETY: as in `index`, and the page is writable.
        unsafe { self.base.wrapping_add(offset).cast::<u32>().write_volatile(value) }
    }
}

/// What a ring with these indexes holds.
fn used(producer: u32, consumer: u32) -> Result<usize, Broken> {
    let used = producer.wrapping_sub(consumer) as usize;
    if used <= RING_SIZE { Ok(used) } else { Err(Broken) }
}

fn slot(index: u32) -> usize {
    index as usize % RING_SIZE
}

impl Ring for StorePage {
    // ANCHOR: send
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let producer = self.index(REQ_PROD);
        let room = RING_SIZE - used(producer, self.index(REQ_CONS))?;
        fence(Ordering::Acquire); // the daemon has read what it gives back
        let count = room.min(bytes.len());
        for (byte, index) in bytes[..count].iter().zip(0..) {
            let place = slot(producer.wrapping_add(index));
            // SAFETY: the slot is within the page, which is mapped and writable by `new`'s contract.
            unsafe { self.base.wrapping_add(place).write_volatile(*byte) };
        }
        fence(Ordering::Release); // the bytes before the index that announces them
        self.set_index(REQ_PROD, producer.wrapping_add(count as u32));
        Ok(count)
    }
    // ANCHOR_END: send

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        let consumer = self.index(RSP_CONS);
        let available = used(self.index(RSP_PROD), consumer)?;
        fence(Ordering::Acquire); // the index before the bytes that it announces
        let count = available.min(buffer.len());
        for (byte, index) in buffer[..count].iter_mut().zip(0..) {
            let place = REPLIES + slot(consumer.wrapping_add(index));
            // SAFETY: the slot is within the page, which is mapped by `new`'s contract.
            *byte = unsafe { self.base.wrapping_add(place).read_volatile() };
        }
        fence(Ordering::Release); // the bytes before the index that gives their slots back
        self.set_index(RSP_CONS, consumer.wrapping_add(count as u32));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A page in which everything stands at `start`.
    fn page(start: u32) -> (Vec<u64>, StorePage) {
        let mut memory = std::vec![0u64; 512];
        let base = memory.as_mut_ptr().cast::<u8>();
        // SAFETY: the vector is a page's memory, and stays; the test looks at it through this page only.
        let mut page = unsafe { StorePage::new(base) };
        [REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD].into_iter().for_each(|offset| page.set_index(offset, start));
        (memory, page)
    }

    #[test]
    fn a_request_goes_around_both_ends() {
        let (_memory, mut page) = page(0_u32.wrapping_sub(3));
        assert_eq!(page.send(b"request"), Ok(7));
        assert_eq!(page.index(REQ_PROD), 4);
        assert_eq!(page.send(&[0; 2000]), Ok(RING_SIZE - 7));
        assert_eq!(page.send(b"x"), Ok(0));
    }

    #[test]
    fn a_reply_is_taken_in_pieces() {
        let (_memory, mut page) = page(1023);
        for (byte, index) in b"reply".iter().zip(1023..) {
            // SAFETY: within the page.
            unsafe { page.base.wrapping_add(REPLIES + slot(index)).write_volatile(*byte) };
        }
        page.set_index(RSP_PROD, 1023 + 5);
        let mut buffer = [0; 3];
        assert_eq!((page.receive(&mut buffer), &buffer), (Ok(3), b"rep"));
        assert_eq!((page.receive(&mut buffer), &buffer[..2]), (Ok(2), &b"ly"[..]));
        assert_eq!(page.receive(&mut buffer), Ok(0));
    }

    #[test]
    fn an_index_that_lies_breaks_the_connection() {
        let (_memory, mut page) = page(5000);
        page.set_index(REQ_CONS, 5001);
        page.set_index(RSP_PROD, 5000 + 1025);
        assert_eq!(page.send(b"x"), Err(Broken));
        assert_eq!(page.receive(&mut [0; 8]), Err(Broken));
    }
}
