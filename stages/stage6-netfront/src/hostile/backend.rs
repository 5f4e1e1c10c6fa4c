//! The backend's side, and the memory that both reach.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use xenbus::grants::GrantRef;

use super::frames::Connection;
use super::{OWN, SLOTS};
use crate::netif::SHORTEST;
use crate::pages::Memory;
use crate::queue::Bell;
use crate::shared_ring::RingMemory;

pub(super) const MORE: u16 = 4;
const EXTRA: u16 = 8;
const NULL: u16 = 1;
/// Stands for a slot that holds no part of a frame.
const NOTHING: u32 = u32::MAX;

#[derive(Clone)]
pub(super) struct Ring(Rc<RefCell<Vec<u32>>>);

impl Ring {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(vec![0; 1024])))
    }

    pub(super) fn place(number: u32, words: usize) -> usize {
        64 + (number % SLOTS) as usize * words * 4
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

/// Pages that the backend reaches, too. The reference is the number.
#[derive(Clone)]
pub(super) struct Pages {
    pub(super) content: Rc<RefCell<Vec<Vec<u8>>>>,
    pub(super) can_grow: Rc<Cell<bool>>,
}

impl Memory for Pages {
    fn grow(&mut self) -> bool {
        let grows = self.can_grow.get();
        if grows {
            self.content.borrow_mut().push(vec![0; 4096]);
        }
        grows
    }

    fn reference(&self, number: u16) -> GrantRef {
        GrantRef(u32::from(number))
    }

    fn read(&self, number: u16, offset: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.content.borrow()[usize::from(number)][offset..offset + bytes.len()]);
    }

    fn write(&self, number: u16, bytes: &[u8]) {
        self.content.borrow_mut()[usize::from(number)][..bytes.len()].copy_from_slice(bytes);
    }
}

pub(super) struct Mute;

impl Bell for Mute {
    fn tell_rx(&self) {}

    fn tell_tx(&self) {}
}

/// The backend's side.
pub(super) struct Backend {
    pub(super) rx: Ring,
    pub(super) tx: Ring,
    pub(super) rx_pages: Pages,
    pub(super) tx_pages: Pages,
    pub(super) rx_answered: u32,
    tx_taken: u32,
    tx_answered: u32,
    /// What was taken and has no answer yet.
    pub(super) tx_open: Vec<u32>,
    /// It has broken the rules.
    pub(super) lied: bool,
    /// In such a way that nobody knows what this side will find.
    pub(super) scribbled: bool,
    /// It has to be caught.
    pub(super) caught: bool,
    /// The connections to this side's server, and from its client, as their other end knows them.
    pub(super) connections: [Connection; 2],
    mtu: usize,
    pub(super) sent: u64,
    pub(super) rows: u64,
}

impl Backend {
    pub(super) fn new(mtu: usize) -> Self {
        let shared = || Pages { content: Rc::default(), can_grow: Rc::new(Cell::new(true)) };
        Self {
            rx: Ring::new(),
            tx: Ring::new(),
            rx_pages: shared(),
            tx_pages: shared(),
            rx_answered: 0,
            tx_taken: 0,
            tx_answered: 0,
            tx_open: Vec::new(),
            lied: false,
            scribbled: false,
            caught: false,
            connections: Default::default(),
            mtu,
            sent: 0,
            rows: 0,
        }
    }

    /// Takes all frames that were sent, and looks at them.
    pub(super) fn take(&mut self) {
        let produced = self.tx.load(0);
        let mut most = SLOTS;
        while self.tx_taken != produced && most > 0 {
            let (mut frame, mut whole, mut segment) = (Vec::new(), None, None);
            loop {
                let place = Ring::place(self.tx_taken, 3);
                let [page, flags, id] = std::array::from_fn(|word| self.tx.load(place + 4 * word));
                let (id, size, flags) = (id & 0xffff, (id >> 16) as usize, (flags >> 16) as u16);
                assert!(self.lied || !self.tx_open.contains(&id), "page {id} is sent twice at a time");
                self.tx_open.push(id);
                self.tx_taken = self.tx_taken.wrapping_add(1);
                most -= 1;
                if !self.lied {
                    let part = whole.map_or(size.min(4096), |_| size);
                    whole.get_or_insert(size);
                    assert!(part <= 4096 && page == id, "a part of {part} bytes in page {page}, which is {id}");
                    frame.extend_from_slice(&self.tx_pages.content.borrow()[page as usize][..part]);
                }
                if flags & EXTRA != 0 && self.tx_taken != produced && most > 0 {
                    let place = Ring::place(self.tx_taken, 3);
                    let [kind, of, _] = std::array::from_fn(|word| self.tx.load(place + 4 * word));
                    assert!(self.lied || (kind & 0xffff, of) == (1, 1), "{kind:x} {of:x} is said about a frame");
                    segment = Some((kind >> 16) as usize);
                    self.tx_open.push(NOTHING);
                    self.tx_taken = self.tx_taken.wrapping_add(1);
                    most -= 1;
                }
                if flags & MORE == 0 || self.tx_taken == produced || most == 0 {
                    break;
                }
            }
            if !self.lied {
                assert_eq!(Some(frame.len()), whole, "a frame is longer than it says");
                let longest = segment.map_or(self.mtu + SHORTEST, |size| {
                    assert!((1..=self.mtu - 40).contains(&size) && frame.len() > size + 54, "segments of {size} bytes");
                    usize::from(u16::MAX)
                });
                assert!((SHORTEST..=longest).contains(&frame.len()), "a frame of {} bytes", frame.len());
                assert_eq!(frame[6..12], OWN.0, "a frame with another sender");
                self.sent += 1;
                self.rows += u64::from(segment.is_some());
                self.look(&frame);
            }
        }
    }

    /// Answers one of them.
    pub(super) fn answer(&mut self, which: usize, status: u16) {
        let id = self.tx_open.swap_remove(which);
        // A slot that was no part of a frame has an answer of its own.
        let status = if id == NOTHING { NULL } else { status };
        self.tx.store(Ring::place(self.tx_answered, 3), id & 0xffff | u32::from(status) << 16);
        self.tx_answered = self.tx_answered.wrapping_add(1);
        self.tx.store(8, self.tx_answered);
    }

    /// Answers all of them.
    pub(super) fn answer_all(&mut self) {
        while !self.tx_open.is_empty() {
            self.answer(self.tx_open.len() - 1, 0);
        }
    }

    /// Follows the connection.
    fn look(&mut self, frame: &[u8]) {
        let is_tcp = frame.len() >= 54 && frame[12..14] == [8, 0] && frame[14] == 0x45 && frame[23] == 6;
        if is_tcp {
            let half = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
            let word = |at: usize| u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
            let data = usize::from(half(16)).saturating_sub(20 + usize::from(frame[46] >> 4) * 4) as u32;
            let signs = u32::from(frame[47] & 1) + u32::from(frame[47] >> 1 & 1);
            let connection = &mut self.connections[usize::from(half(34) != 7)];
            connection.ports = (half(36), half(34));
            connection.acknowledged = word(38).wrapping_add(data + signs);
            connection.asks = frame[47] & 0x10 == 0;
            connection.sequence = if connection.asks { 5000 } else { word(42) };
        }
    }

    /// Whether there is a page for the next frame.
    pub(super) fn has_page(&self) -> bool {
        self.rx.load(0).wrapping_sub(self.rx_answered) > 0
    }

    /// Passes a frame on, in parts of this size.
    pub(super) fn give(&mut self, frame: &[u8], checksum: u16, part: usize) {
        let mut parts = frame.chunks(part.clamp(1, 4096)).peekable();
        while let Some(part) = parts.next() {
            if !self.has_page() {
                break;
            }
            let place = Ring::place(self.rx_answered, 2);
            let (id, page) = (self.rx.load(place), self.rx.load(place + 4) as usize);
            if let Some(page) = self.rx_pages.content.borrow_mut().get_mut(page) {
                page[..part.len()].copy_from_slice(part);
            }
            // Where there is no page for the next part the frame is cut.
            let more = if parts.peek().is_some() { MORE } else { 0 };
            self.rx.store(place, id & 0xffff);
            self.rx.store(place + 4, u32::from(checksum & 3 | more) | (part.len() as u32) << 16);
            self.rx_answered = self.rx_answered.wrapping_add(1);
        }
        self.rx.store(8, self.rx_answered);
    }
}
