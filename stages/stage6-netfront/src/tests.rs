//! The rings with a backend of the tests' own; checksums. (They use exercises 6a to 6c.)

mod hostile;
mod segments;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec::Vec;

use crate::checksum::{self, Offload};
use crate::pages::{Memory, Pool};
use crate::rx::{self, Received, RxHalf};
use crate::shared_ring::RingMemory;
use crate::tx::{self, SendError, TxHalf};
use xenbus::grants::GrantRef;

/// A page that two sides see.
#[derive(Clone)]
struct Ring(Rc<RefCell<Vec<u32>>>);

impl Ring {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(std::vec![0; 1024])))
    }

    /// The three words of a tx request, or two of an rx request.
    fn slot(&self, number: u32, words: usize) -> Vec<u32> {
        let at = 16 + (number as usize % 256) * words;
        self.0.borrow()[at..at + words].to_vec()
    }

    fn answer(&self, number: u32, words: &[u32], size: usize) {
        let at = 16 + (number as usize % 256) * size;
        self.0.borrow_mut()[at..at + words.len()].copy_from_slice(words);
    }
}

impl RingMemory for Ring {
    fn load(&self, offset: usize) -> u32 {
        self.0.borrow()[offset / 4]
    }

    fn store(&self, offset: usize, value: u32) {
        self.0.borrow_mut()[offset / 4] = value;
    }
}

/// Pages that two sides see. The reference is the number.
#[derive(Clone, Default)]
struct Pages(Rc<RefCell<Vec<Vec<u8>>>>);

impl Memory for Pages {
    fn grow(&mut self) -> bool {
        self.0.borrow_mut().push(std::vec![0; 4096]);
        true
    }

    fn reference(&self, number: u16) -> GrantRef {
        GrantRef(u32::from(number))
    }

    fn read(&self, number: u16, offset: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.borrow()[usize::from(number)][offset..offset + bytes.len()]);
    }

    fn write(&self, number: u16, bytes: &[u8]) {
        self.0.borrow_mut()[usize::from(number)][..bytes.len()].copy_from_slice(bytes);
    }
}

/// A backend that passes frames back in the order in which they came.
struct Backend {
    tx: Ring,
    rx: Ring,
    tx_pages: Pages,
    rx_pages: Pages,
    tx_taken: u32,
    rx_taken: u32,
    wire: VecDeque<Vec<u8>>,
}

impl Backend {
    /// Takes all frames that were sent.
    fn take(&mut self) {
        while self.tx_taken != self.tx.load(0) {
            let (mut frame, mut whole) = (Vec::new(), None);
            loop {
                let words = self.tx.slot(self.tx_taken, 3);
                let (flags, id, size) = (words[1] >> 16, words[2] & 0xffff, (words[2] >> 16) as usize);
                let part = whole.map_or(size.min(4096), |_| size);
                whole.get_or_insert(size);
                frame.extend_from_slice(&self.tx_pages.0.borrow()[words[0] as usize][..part]);
                self.tx.answer(self.tx_taken, &[id], 3);
                self.tx_taken += 1;
                if flags & 4 == 0 {
                    break;
                }
            }
            assert_eq!(Some(frame.len()), whole);
            self.wire.push_back(frame);
        }
        self.tx.store(8, self.tx_taken);
    }

    /// Passes on as many as there are pages for.
    fn give(&mut self) {
        while let Some(frame) = self.wire.front() {
            let parts = frame.len().div_ceil(4096) as u32;
            if self.rx.load(0).wrapping_sub(self.rx_taken) < parts {
                break;
            }
            for (index, part) in frame.chunks(4096).enumerate() {
                let words = self.rx.slot(self.rx_taken, 2);
                self.rx_pages.0.borrow_mut()[words[1] as usize][..part.len()].copy_from_slice(part);
                let more = if index as u32 + 1 < parts { 4 } else { 0 };
                self.rx.answer(self.rx_taken, &[words[0], more | (part.len() as u32) << 16], 2);
                self.rx_taken += 1;
            }
            self.wire.pop_front();
        }
        self.rx.store(8, self.rx_taken);
    }
}

fn pair() -> (TxHalf<Ring, Pages>, RxHalf<Ring, Pages>, Backend) {
    let (tx, rx, tx_pages, rx_pages) = (Ring::new(), Ring::new(), Pages::default(), Pages::default());
    let sending = TxHalf::new(tx.clone(), Pool::new(tx_pages.clone(), 256), true);
    let receiving = RxHalf::new(rx.clone(), Pool::new(rx_pages.clone(), 256));
    let wire = VecDeque::new();
    (sending, receiving, Backend { tx, rx, tx_pages, rx_pages, tx_taken: 0, rx_taken: 0, wire })
}

#[test]
fn thousands_of_frames_go_around_and_no_page_is_lost() {
    let (mut tx, mut rx, mut backend) = pair();
    let mut rng = fastrand::Rng::with_seed(6);
    let mut flying = VecDeque::new();
    let mut received = 0;
    while received < 4000 {
        rx::refill(&mut rx);
        for _ in 0..rng.u32(..40) {
            let length = if rng.u8(..20) == 0 { rng.usize(4097..=65535) } else { rng.usize(14..=1514) };
            let frame: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
            match tx::send(&mut tx, &frame, false) {
                Ok(()) => flying.push_back(frame),
                Err(SendError::Full) => break,
                Err(error) => panic!("{error}"),
            }
        }
        tx.publish();
        backend.take();
        backend.give();
        while let Some(Received::Frame(frame)) = rx::collect(&mut rx).unwrap() {
            assert!(Some(frame.bytes) == flying.pop_front());
            received += 1;
        }
        tx::reap(&mut tx).unwrap();
        assert_eq!(tx.pool().counts().0, tx.pool().counts().1 + tx.offered());
        assert_eq!(rx.pool().counts().0, rx.pool().counts().1 + rx.offered());
    }
}

#[test]
fn a_checksum_is_completed_or_left_and_verified() {
    let mut frame = std::vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 6, 8, 0, 0x45, 0, 0, 33, 0, 0, 0x40, 0, 64, 17, 0, 0];
    frame.extend([10, 1, 2, 3, 10, 3, 2, 1, 3, 0xe8, 7, 0xd0, 0, 13, 0, 0]);
    frame.extend(*b"hello");
    let mut whole = frame.clone();
    assert!(!checksum::finish(&mut whole, Offload::default()));
    assert!(checksum::verify(&whole));
    whole[44] ^= 1;
    assert!(!checksum::verify(&whole));
    assert!(checksum::finish(&mut frame, Offload { ipv4: true, ipv6: false }));
    assert!(!checksum::verify(&frame));
    // A fragment holds no whole segment.
    frame[20] = 0x20;
    assert!(!checksum::finish(&mut frame, Offload { ipv4: true, ipv6: true }));
    // Cut anywhere, it is nothing to stumble over.
    assert!((0..14).all(|length| checksum::verify(&frame[..length])));
    assert!((14..frame.len()).any(|length| checksum::verify(&frame[..length])));
}
