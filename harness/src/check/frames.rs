//! Frames that dom0 sends for a check, and those that it has to see.
//!
//! Invariant: what is sent and what is expected are made by the same functions, from the numbers that guest and host both know.

use crate::course::FIRST_MAC;
use fastrand::Rng;

/// The type of frames that mean nothing: IEEE 802's for local experiments.
pub const EXPERIMENT: u16 = 0x88b5;
/// Dom0's address, as far as the guest is concerned.
const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn header(to: [u8; 6], from: [u8; 6], kind: u16) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes()].concat()
}

/// A frame for the guest, with so many drawn bytes behind its header.
pub fn experiment(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut frame = header(FIRST_MAC, OURS, EXPERIMENT);
    frame.extend((0..length).map(|_| rng.u8(..)));
    frame
}

/// "Who has 10.0.2.`host`?"
pub fn arp_request(host: u8) -> Vec<u8> {
    arp(1, [0xff; 6], OURS, [10, 0, 2, 1], [0; 6], [10, 0, 2, host])
}

/// "I have": what has to come.
pub fn arp_reply(host: u8) -> Vec<u8> {
    arp(2, OURS, FIRST_MAC, [10, 0, 2, host], OURS, [10, 0, 2, 1])
}

fn arp(operation: u8, to: [u8; 6], from: [u8; 6], sender: [u8; 4], target_mac: [u8; 6], target: [u8; 4]) -> Vec<u8> {
    let mut frame = header(to, from, 0x0806);
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(from);
    frame.extend(sender);
    frame.extend(target_mac);
    frame.extend(target);
    frame
}

/// A ping with so many drawn bytes.
pub fn ping(host: u8, seed: u64, length: usize) -> Vec<u8> {
    icmp(8, (FIRST_MAC, OURS), ([10, 0, 2, 1], [10, 0, 2, host]), seed, length)
}

/// The answer to it.
pub fn pong(host: u8, seed: u64, length: usize) -> Vec<u8> {
    icmp(0, (OURS, FIRST_MAC), ([10, 0, 2, host], [10, 0, 2, 1]), seed, length)
}

fn icmp(
    kind: u8,
    (to, from): ([u8; 6], [u8; 6]),
    (source, target): ([u8; 4], [u8; 4]),
    seed: u64,
    length: usize,
) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut message = vec![kind, 0, 0, 0, 0x12, 0x34, 0, 1];
    message.extend((0..length).map(|_| rng.u8(..)));
    let sum = checksum(&message, 0);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0x45, 0];
    packet.extend((20 + message.len() as u16).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 1, 0, 0]);
    packet.extend(source);
    packet.extend(target);
    let sum = checksum(&packet, 0);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    [header(to, from, 0x0800), packet, message].concat()
}

/// The checksum of the Internet (RFC 1071), of these bytes and a sum of others.
pub fn checksum(bytes: &[u8], others: u32) -> u16 {
    !sum(bytes, others)
}

/// The sum alone.
pub fn sum(bytes: &[u8], others: u32) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum = pairs.sum::<u32>() + others;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
