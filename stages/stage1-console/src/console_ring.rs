//! The page that a guest shares with dom0's console daemon.
//!
//! Follows `struct xencons_interface` in Xen's `public/io/console.h`:
//!
//! | offset | field | who writes it |
//! |---|---|---|
//! | 0x000 | `in[1024]`, what was typed | dom0 |
//! | 0x400 | `out[2048]`, what is printed | guest |
//! | 0xc00, 0xc04 | `in_cons`, `in_prod` | guest, dom0 |
//! | 0xc08, 0xc0c | `out_cons`, `out_prod` | dom0, guest |
//!
//! The indexes are *free-running*: they count bytes since the beginning, modulo 2^32, and byte number n lies in
//! slot n modulo the size. Producer minus consumer is what the ring holds.
//!
//! Invariant: the page is never borrowed. Another domain changes it at any time, so each access is one volatile
//! load or store through a raw pointer, and nothing read from it is believed without a test.

use core::sync::atomic::{Ordering, fence};

use crate::ring as exercise;

/// Bytes of output that the ring holds.
pub const OUT_SIZE: usize = 2048;
/// Bytes of input that the ring holds.
pub const IN_SIZE: usize = 1024;

const OUT: usize = 0x400;
const IN_CONS: usize = 0xc00;
const IN_PROD: usize = 0xc04;
const OUT_CONS: usize = 0xc08;
const OUT_PROD: usize = 0xc0c;

// ANCHOR: out_ring
/// The guest's side of the output half: what exercise 1a works on. The checks have a ring of their own that
/// notes each access.
pub trait OutRing {
    /// Loads how many bytes dom0 has taken, as *it* claims: any number, and the next load may give another.
    fn consumer(&self) -> u32;

    /// Loads how many bytes the guest has put.
    fn producer(&self) -> u32;

    /// Stores one byte.
    ///
    /// # Panics
    /// If there is no such slot: `slot` must be less than [`OUT_SIZE`].
    fn store(&mut self, slot: usize, byte: u8);

    /// Stores the count of bytes put: dom0 may take all bytes below it from now on. What was stored before this call is
    /// visible to whoever sees the new count.
    fn publish(&mut self, producer: u32);
}
// ANCHOR_END: out_ring

/// Puts as many leading bytes of `bytes` into the ring as there is room for, and returns how many; exercise 1a.
///
/// All bytes are stored before the index that announces them is, and it is published once, or not at all if
/// nothing fits. Each index is loaded once. A ring that claims to hold more than [`OUT_SIZE`] bytes (dom0
/// writes its consumer index, and may write anything) counts as full.
pub fn write(ring: &mut impl OutRing, bytes: &[u8]) -> usize {
    exercise::write(ring, bytes)
}

/// A page laid out as `struct xencons_interface`.
pub struct ConsolePage {
    base: *mut u8,
}

// SAFETY: the page is shared by nature, and accessed only by volatile loads and stores; the pointer is as good
// on any vCPU.
unsafe impl Send for ConsolePage {}

impl ConsolePage {
    /// Takes the page at this address.
    ///
    /// # Safety
    /// `base` must be the page-aligned address of a page that stays mapped readable and writable, and that Rust code
    /// accesses through this value only.
    pub unsafe fn new(base: *mut u8) -> Self {
        Self { base }
    }

    /// Takes what was typed, as much as `buffer` holds, and returns how much that is.
    // ANCHOR: read
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let consumer = self.index(IN_CONS);
        let available = self.index(IN_PROD).wrapping_sub(consumer) as usize;
        if available > IN_SIZE {
            return 0; // no honest producer runs that far ahead
        }
        fence(Ordering::Acquire); // the index before the bytes that it announces
        let count = available.min(buffer.len());
        for (offset, byte) in buffer[..count].iter_mut().enumerate() {
            *byte = self.byte(consumer.wrapping_add(offset as u32) as usize % IN_SIZE);
        }
        fence(Ordering::Release); // the bytes before the index that gives their slots back
        self.set_index(IN_CONS, consumer.wrapping_add(count as u32));
        count
    }
    // ANCHOR_END: read

    fn byte(&self, offset: usize) -> u8 {
        // SAFETY: `offset` is within the page, which is mapped by the contract of `new`.
        unsafe { self.base.wrapping_add(offset).read_volatile() }
    }

    fn index(&self, offset: usize) -> u32 {
        // SAFETY: `offset` is one of the four indexes: aligned, and within the page, which is mapped by the
        // contract of `new`.
        unsafe { self.base.wrapping_add(offset).cast::<u32>().read_volatile() }
    }

    fn set_index(&mut self, offset: usize, value: u32) {
        // SAFETY: as in `index`, and the page is writable.
        unsafe { self.base.wrapping_add(offset).cast::<u32>().write_volatile(value) }
    }
}

impl OutRing for ConsolePage {
    fn consumer(&self) -> u32 {
        let consumer = self.index(OUT_CONS);
        fence(Ordering::Acquire); // dom0 has read the slots that it gives back before we write them
        consumer
    }

    fn producer(&self) -> u32 {
        self.index(OUT_PROD)
    }

    fn store(&mut self, slot: usize, byte: u8) {
        assert!(slot < OUT_SIZE, "the console ring has no slot {slot}");
        // SAFETY: the slot is within the page, which is mapped and writable by the contract of `new`.
        unsafe { self.base.wrapping_add(OUT + slot).write_volatile(byte) }
    }

    // ANCHOR: publish
    fn publish(&mut self, producer: u32) {
        fence(Ordering::Release);
        self.set_index(OUT_PROD, producer);
    }
    // ANCHOR_END: publish
}
