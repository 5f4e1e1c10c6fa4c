//! Exercise 1a: the console ring. (Its reference is solutions/stage1-console/ring.rs.)
//!
//! [`console_ring`](crate::console_ring) describes the ring and the four operations of [`OutRing`].

use crate::console_ring::OutRing;
use crate::lab_todo;

/// Puts as many leading bytes of `bytes` into the ring as there is room for, and returns how many.
///
/// - The indexes count all bytes ever put and taken, modulo 2^32; byte number n goes to slot n modulo `OUT_SIZE`.
/// - Load each index once. Dom0 may change its own at any moment.
/// - The ring is full when it holds `OUT_SIZE` bytes. If the indexes claim more than that, treat it as full.
/// - Store every byte before you publish the new producer index. Publish once, and only if something was stored.
pub fn write(ring: &mut impl OutRing, bytes: &[u8]) -> usize {
    lab_todo!("1a", ring, bytes)
}
