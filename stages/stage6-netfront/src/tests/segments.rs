//! Rows of segments that are cut.

use std::vec::Vec;

use smoltcp::wire::{Ipv4Packet, TcpPacket, TcpSeqNumber};

use crate::checksum::{self, Offload};
use crate::rx::{Checksum, Frame};
use crate::segments::Cut;

const BOTH: Offload = Offload { ipv4: true, ipv6: true };
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;

/// A frame of a connection, with an option in its header, and its checksum left to the backend.
fn frame(sequence: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 6, 8, 0, 0x45, 0]);
    frame.extend((52 + data.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 1, 0, 7, 0x10, 0]);
    frame.extend(sequence.to_be_bytes());
    frame.extend([0, 0, 1, 0, 0x80, flags, 0x20, 0, 0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    frame.extend(data);
    Ipv4Packet::new_unchecked(&mut frame[14..]).fill_checksum();
    assert!(checksum::finish(&mut frame, BOTH));
    frame
}

const HEADER: usize = 14 + 20 + 32;

fn bytes(rng: &mut fastrand::Rng, count: usize) -> Vec<u8> {
    (0..count).map(|_| rng.u8(..)).collect()
}

#[test]
fn the_segments_of_a_row_hold_its_data_in_order() {
    let mut rng = fastrand::Rng::with_seed(9);
    for round in 0..500 {
        let size = rng.usize(1..=1434);
        let length = rng.usize(size + 1..=60_000.min(size * 40 + 1));
        let data = bytes(&mut rng, length);
        let (first, flags) = (rng.u32(..), ACK | rng.choice([0, PSH, FIN, PSH | FIN]).unwrap());
        let row = Frame { bytes: frame(first, flags, &data), checksum: Checksum::Blank };
        let Ok(cut) = Cut::new(row, size + HEADER - 14) else { panic!("round {round}") };
        let cut: Vec<Frame> = cut.collect();
        assert_eq!(cut.len(), length.div_ceil(size));
        for (index, (segment, data)) in cut.iter().zip(data.chunks(size)).enumerate() {
            let flags = if index + 1 == cut.len() { flags } else { ACK };
            let mut bytes = segment.bytes.clone();
            assert!(checksum::finish(&mut bytes, BOTH) && segment.checksum == Checksum::Valid);
            assert_eq!(bytes, frame(first.wrapping_add((index * size) as u32), flags, data), "round {round}");
        }
    }
}

#[test]
fn only_rows_are_cut() {
    let whole = |checksum, bytes| Frame { bytes, checksum };
    let long = frame(5, ACK, &[3; 4000]);
    let is_cut = |frame: Frame| Cut::new(frame, 1500).is_ok();
    assert!(is_cut(whole(Checksum::Blank, long.clone())));
    assert!(is_cut(whole(Checksum::Valid, long.clone())));
    assert!(!is_cut(whole(Checksum::Unknown, long.clone())), "nobody has verified it");
    assert!(!is_cut(whole(Checksum::Blank, frame(5, ACK, &[3; 1400]))), "short enough as it is");
    assert!(!is_cut(whole(Checksum::Blank, frame(5, SYN | ACK, &[3; 4000]))));
    let mut fragment = long.clone();
    fragment[14 + 6] = 0x20;
    assert!(!is_cut(whole(Checksum::Blank, fragment)));
    let mut padded = long;
    padded.push(0);
    assert!(!is_cut(whole(Checksum::Blank, padded)));
    // Any bytes at all.
    let mut rng = fastrand::Rng::with_seed(4);
    for _ in 0..2000 {
        let mut bytes = frame(5, ACK, &[3; 4000]);
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..80);
            bytes[at] = rng.u8(..);
        }
        bytes.truncate(rng.usize(..=bytes.len()));
        let length = bytes.len();
        if let Ok(cut) = Cut::new(whole(Checksum::Blank, bytes), 1500) {
            let segments: Vec<Frame> = cut.collect();
            assert!(segments.iter().all(|one| one.bytes.len() <= 1514 && one.bytes.len() > 54));
            assert!(segments.iter().map(|one| one.bytes.len() - 54).sum::<usize>() <= length);
            let numbers = segments.iter().map(|one| {
                let ip = Ipv4Packet::new_checked(&one.bytes[14..]).unwrap();
                TcpPacket::new_checked(ip.payload()).unwrap().seq_number()
            });
            assert!(numbers.collect::<Vec<TcpSeqNumber>>().is_sorted());
        }
    }
}
