//! Exercise 6d: what smoltcp has to be told, and given.

use super::bytes;
use crate::check::expect::{Row, fnv1a64, list};
use crate::check::frames::{EXPERIMENT, arp_reply, checksum, pong, sum};
use fastrand::Rng;

pub fn capabilities(rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for mtu in [1500, rng.usize(576..=9000)] {
        let row = Row::new(format!("an interface with an MTU of {mtu}")).is("mtu", mtu).is("frame", mtu + 14);
        rows.push(row.is("medium", "Ethernet").is("burst", false));
        let row = Row::new("what smoltcp does with checksums").is("tcp", "None").is("udp", "None");
        rows.push(row.is("ipv4", "Both").is("icmpv4", "Both").is("icmpv6", "Both"));
    }
    rows
}

/// A frame with a datagram; its checksum is 0.
fn datagram(payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| (bytes as u16).to_be_bytes();
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 6, 8, 0, 0x45, 0];
    frame.extend(length(28 + payload.len()));
    frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, 1, 2, 3, 10, 3, 2, 1]);
    frame.extend(1000_u16.to_be_bytes());
    frame.extend(2000_u16.to_be_bytes());
    frame.extend(length(8 + payload.len()));
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// The sum of a datagram's pseudo header.
fn pseudo(frame: &[u8]) -> u16 {
    sum(&frame[26..34], 17 + (frame.len() as u32 - 34))
}

/// The same datagram with its checksum, or with what stands there if that is left to others.
fn finished(mut frame: Vec<u8>, left: bool) -> Vec<u8> {
    let pseudo = pseudo(&frame);
    let full = match checksum(&frame[34..], u32::from(pseudo)) {
        0 => 0xffff,
        other => other,
    };
    frame[40..42].copy_from_slice(&if left { pseudo } else { full }.to_be_bytes());
    frame
}

pub fn receive(rng: &mut Rng) -> Vec<Row> {
    let mtu = rng.usize(600..=2000);
    let mut cases = ["short", "least", "exact", "long", "blank", "valid", "wrong", "none", "right"];
    rng.shuffle(&mut cases);
    let (mut seen, mut unfit) = (Vec::new(), Vec::new());
    for case in cases {
        let length = match case {
            "exact" => mtu - 28,
            "long" => mtu - 27,
            _ => rng.usize(1..=400),
        };
        let mut frame = datagram(&bytes(rng, length));
        match case {
            "short" => unfit.push("TooShort"),
            "long" => unfit.push("TooLong"),
            "wrong" => unfit.push("Damaged"),
            "least" => frame.truncate(14),
            "right" => frame = finished(frame, false),
            "blank" | "valid" => frame[40..42].copy_from_slice(&[0x12, 0x34]),
            _ => {}
        }
        if !matches!(case, "short" | "long" | "wrong") {
            seen.push(fnv1a64(&frame));
        }
    }
    let what = format!("frames, in the order {}", cases.join(" "));
    vec![
        Row::new(what).is("seen", list(seen)).is("unfit", list(unfit)).is("left", 0),
        Row::new("a frame, when none could be sent").is("taken", false).is("left", 1),
    ]
}

pub fn send(rng: &mut Rng) -> Vec<Row> {
    let mut rows = Vec::new();
    for (ipv4, offer) in [(false, "none"), (true, "IPv4"), (false, "IPv6"), (true, "both")] {
        let length = rng.usize(1..=300);
        let payload = bytes(rng, length);
        let answer = rng.u32(..);
        let packet = finished(datagram(&payload), ipv4);
        let mut other = bytes(rng, length + 14);
        other[12..14].copy_from_slice(&EXPERIMENT.to_be_bytes());
        for (what, frame, blank) in [("a datagram", packet, ipv4), ("no packet", other, false)] {
            let row = Row::new(format!("{what}, checksums left to the backend: {offer}")).is("zero", true);
            rows.push(row.is("result", answer).is("sent", format!("{}:{blank}", fnv1a64(&frame))));
        }
    }
    rows
}

pub fn dom0(rng: &mut Rng) -> Vec<Row> {
    let host = rng.u8(100..200);
    let length = rng.usize(1..=1000);
    let seed = rng.u64(..);
    let answers = [fnv1a64(arp_reply(host)), fnv1a64(pong(host, seed, length))];
    vec![
        Row::new("dom0's looking at the interface").is("ask", "frames-watch").is("dom0", "done"),
        Row::new("dom0's asking for the address").is("ask", "arp").is("dom0", "done"),
        Row::new("dom0's ping").is("ask", "ping").is("dom0", "done"),
        Row::new(format!("the answers to dom0's questions for 10.0.2.{host}, and to its ping of {length} bytes"))
            .is("ask", "ping-seen")
            .is("dom0", list(answers)),
    ]
}
