//! Exercise 1a: what `console_ring::write` has to do to a ring that notes each access.

use crate::check::expect::{Row, hex};
use fastrand::Rng;

/// Slots in the ring.
const SIZE: u32 = 2048;

fn draw_text(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| rng.u8(1..=255)).collect()
}

/// The record of a call that accepts the first `accepted` bytes of `text`, where the guest shows `shown` slots.
/// Slots behind the accepted bytes keep what they held.
fn accepts(what: &str, case: &str, start: u32, text: &[u8], accepted: usize, shown: usize) -> Row {
    let mut data = vec![0xee; shown];
    data[..accepted.min(shown)].copy_from_slice(&text[..accepted.min(shown)]);
    let producer = start.wrapping_add(accepted as u32);
    let row = Row::new(what).is("case", case).is("accepted", accepted).is("producer", producer);
    let row = row.is("data", hex(&data)).is("others", 0);
    // How often something is announced is the matter of `1a.order`; that nothing must not be, of every check.
    if accepted == 0 { row.is("publishes", 0) } else { row }
}

pub fn fits(rng: &mut Rng) -> Vec<Row> {
    let start = rng.u32(..1024);
    let length = rng.usize(1..=256);
    let text = draw_text(rng, length);
    vec![accepts("a text that fits into an empty ring", "fits", start, &text, length, length)]
}

pub fn wrap(rng: &mut Rng) -> Vec<Row> {
    let before = rng.u32(1..=64);
    let round = rng.u32(1..=1000);
    let length = before as usize + rng.usize(1..=128);
    let text = draw_text(rng, length);
    let (slot, index) = (round * SIZE - before, 0_u32.wrapping_sub(before));
    vec![
        accepts("a text that goes past the last slot", "slot", slot, &text, length, length),
        accepts("a text that goes past the largest index", "index", index, &text, length, length),
    ]
}

pub fn full(rng: &mut Rng) -> Vec<Row> {
    let consumer = rng.u32(..);
    let room = rng.u32(1..=100);
    let length = room as usize + rng.usize(1..=100);
    let text = draw_text(rng, length);
    let full = consumer.wrapping_add(SIZE);
    let part = format!("a text of {length} bytes where {room} fit");
    vec![
        accepts(&part, "part", full.wrapping_sub(room), &text, room as usize, length),
        accepts("a full ring", "none", full, &text, 0, 0),
        accepts("an empty text", "empty", consumer, &[], 0, 0),
    ]
}

pub fn hostile(rng: &mut Rng) -> Vec<Row> {
    let producer = rng.u32(..);
    let behind = rng.u32(1..=2048);
    let ahead = rng.u32(1..=2048);
    let room = rng.u32(1..=100);
    let length = room as usize + rng.usize(1..=100);
    let text = draw_text(rng, length);
    vec![
        accepts(&format!("a consumer {behind} bytes too far behind"), "behind", producer, &text, 0, 0),
        accepts(&format!("a consumer {ahead} bytes ahead of the producer"), "ahead", producer, &text, 0, 0),
        accepts("a consumer that changes after its first load", "changing", producer, &text, room as usize, length),
    ]
}

pub fn order(rng: &mut Rng) -> Vec<Row> {
    let _start = rng.u32(..);
    let length = rng.usize(2..=512);
    let row = Row::new(format!("the accesses for a text of {length} bytes"));
    let row = row.is("consumer_loads", 1).is("producer_loads", 1).is("stores", length);
    vec![row.is("publishes", 1).is("early", length)]
}
