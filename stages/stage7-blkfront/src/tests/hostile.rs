//! A backend that does what it likes with the ring, over the same code that the driver has. (It uses exercises 7a and 7b.)

use std::vec::Vec;

use crate::blkif::{Operation, WORDS};
use crate::hostile::{Memory, play};
use crate::requests::{Request, encode};
use crate::ring::{Ring, Shared};
use fastrand::Rng;

fn request(id: u64) -> [u64; WORDS] {
    let (operation, segments) = (Operation::Flush, &[]);
    encode(&Request { operation, handle: 0, id, sector: 0, sectors: 0, segments, table: None })
}

#[test]
fn whatever_a_backend_does_a_request_ends_once() {
    let (mut begun, mut ended, mut lies) = (0, 0, 0);
    for seed in 0..3000 {
        let mut rng = Rng::with_seed(seed);
        let length = rng.usize(..4000);
        // What was found once is found again: the seed decides everything.
        let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
        let seen = play(&bytes);
        (begun, ended) = (begun + seen.begun, ended + seen.ended);
        lies += usize::from(seen.lie);
    }
    assert!(begun > 50_000 && ended > 20_000 && lies > 1000, "{begun} begun, {ended} ended, {lies} lies");
}

#[test]
fn a_ring_has_as_many_entries_as_its_pages_have_room_for() {
    for (pages, size) in [(1, 32), (2, 64), (4, 128), (8, 256)] {
        assert_eq!(Ring::new(Memory::new(pages)).size(), size);
    }
}

#[test]
fn an_event_is_wanted_when_the_backend_has_asked_for_it() {
    let memory = Memory::new(1);
    let mut ring = Ring::new(memory.clone());
    ring.put(&request(1));
    assert!(ring.publish(), "the first request wakes the backend");
    ring.put(&request(2));
    assert!(!ring.publish(), "it has not asked for the second");
    memory.store_u32(4, 4);
    ring.put(&request(3));
    assert!(!ring.publish());
    ring.put(&request(4));
    assert!(ring.publish(), "it has asked for the fourth");
}
