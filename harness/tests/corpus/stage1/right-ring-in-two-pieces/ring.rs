//! Two runs of slots: up to the ring's end, and from its beginning.

use crate::console_ring::{OUT_SIZE, OutRing};

pub fn write(ring: &mut impl OutRing, bytes: &[u8]) -> usize {
    let (consumer, producer) = (ring.consumer(), ring.producer());
    let used = u64::from(producer.wrapping_sub(consumer));
    let room = (OUT_SIZE as u64).checked_sub(used).unwrap_or(0) as usize;
    let bytes = bytes.get(..room).unwrap_or(bytes);
    let first = producer as usize & (OUT_SIZE - 1);
    let (head, tail) = bytes.split_at(bytes.len().min(OUT_SIZE - first));
    head.iter().enumerate().for_each(|(offset, byte)| ring.store(first + offset, *byte));
    tail.iter().enumerate().for_each(|(slot, byte)| ring.store(slot, *byte));
    if !bytes.is_empty() {
        ring.publish(producer.wrapping_add(bytes.len() as u32));
    }
    bytes.len()
}
