//! All queues of an interface as one.
//!
//! An interface has one queue, or several, if the backend can do that: then each has a processor of its own at the backend. What
//! comes in any of them is received. What is sent goes through a queue that its addresses and ports decide, so that the frames of
//! a connection stay in order.
//!
//! Work is done in rounds, each of which [`Queues::settle`] ends. A backend, or whoever sends to us, may be quicker than we are, so
//! a round takes so many frames and no more, however many come and whatever is wrong with them: whoever works here has locks that
//! others want.
//!
//! Invariant: whoever stops taking from a ring has asked for an event, or has been told that there is more.

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroUsize};

use crate::checksum::Offload;
use crate::netif::{LONGEST, SHORTEST};
use crate::pages::{Granted, Memory};
use crate::phy::{Unfit, Wire};
use crate::queue::{Bell, Ports, Queue, RingPage};
use crate::rx::{self, Frame, Received, Receiver};
use crate::segments::Cut;
use crate::shared_ring::RingMemory;
use crate::statistics::Counts;
use crate::tx::{self, SendError, Transmitter};

/// So many pages wait before they are offered in the middle of work.
const REFILL: usize = 32;
/// Frames that are taken in a round, whether anybody has a use for them or not.
const ROUND: usize = 32;

/// How a round of work ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settled {
    /// Something came meanwhile: there may be no event of it.
    pub more: bool,
    /// Nothing can be sent before an event comes.
    pub full: bool,
}

/// All queues of an interface.
pub struct Queues<M = RingPage, S = Granted, B = Ports> {
    queues: Vec<Queue<M, S, B>>,
    mtu: usize,
    offload: Offload,
    /// The backend has done what it must not.
    broken: bool,
    /// Somebody wanted to send and could not: there has to be an event when there is room.
    full: bool,
    /// The queue that is looked at first.
    turn: usize,
    /// How many frames may still be taken in this round.
    left: usize,
    /// Answers to what was sent, so far.
    answers: u64,
    /// A buffer that was used before.
    spare: Vec<u8>,
    /// The backend takes several segments as one frame.
    rows: bool,
    /// How much data each segment of the next frame has, if it has several.
    segments: Option<NonZeroU16>,
    /// A frame of several segments that have come.
    cut: Option<Cut>,
    counts: Counts,
}

impl<M: RingMemory, S: Memory, B: Bell> Queues<M, S, B> {
    /// Of these queues.
    pub fn new(queues: Vec<Queue<M, S, B>>, mtu: usize, offload: Offload) -> Self {
        let counts = Counts::default();
        Self {
            queues,
            mtu,
            offload,
            broken: false,
            full: false,
            turn: 0,
            left: ROUND,
            answers: 0,
            spare: Vec::new(),
            rows: false,
            segments: None,
            cut: None,
            counts,
        }
    }

    /// Has several segments of TCP sent as one frame, where the backend takes such and there is memory for one.
    pub fn with_rows(mut self, takes: bool) -> Self {
        self.rows = takes && self.spare.try_reserve_exact(LONGEST).is_ok();
        self
    }

    /// What came and went.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the backend can't be believed any more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Pages that wait for frames, and pages that wait to be sent.
    pub fn offered(&self) -> (usize, usize) {
        self.queues.iter().fold((0, 0), |(rx, tx), queue| (rx + queue.rx.offered(), tx + queue.tx.offered()))
    }

    /// Tells the backend of everything, as it may have missed what was said before it was there.
    pub fn kick(&mut self) {
        for queue in &self.queues {
            queue.bell.tell_rx();
            self.counts.events_sent += 1;
        }
    }

    // ANCHOR: settle
    /// Ends a round of work: offers pages, shows what is to be sent, and asks for events.
    pub fn settle(&mut self) -> Settled {
        let mut more = core::mem::replace(&mut self.left, ROUND) == 0;
        for queue in &mut self.queues {
            rx::refill(&mut queue.rx);
            if queue.rx.take_tell() {
                queue.bell.tell_rx();
                self.counts.events_sent += 1;
            }
            if queue.tx.publish() {
                queue.bell.tell_tx();
                self.counts.events_sent += 1;
            }
            more |= queue.rx.ask_for_event();
            if self.full {
                more |= queue.tx.ask_for_event();
            }
        }
        let full = core::mem::take(&mut self.full);
        Settled { more: more && !self.broken, full: full && !more }
    }
    // ANCHOR_END: settle

    fn note(&mut self, received: Result<Option<Received>, rx::Broken>) -> Option<Option<Frame>> {
        match received {
            Ok(None) => None,
            Ok(Some(Received::Frame(frame))) => {
                self.counts.received += 1;
                self.counts.bytes_received += frame.bytes.len() as u64;
                Some(Some(frame))
            }
            Ok(Some(Received::Dropped(why))) => {
                log::debug!("a frame was dropped: {why:?}");
                self.counts.dropped += 1;
                Some(None)
            }
            Err(rx::Broken) => {
                self.give_up();
                None
            }
        }
    }

    /// Takes answers to what was sent. Returns how many have come so far, and for how many parts there is none.
    pub fn reap(&mut self) -> (u64, usize) {
        let mut broken = false;
        for queue in &mut self.queues {
            match tx::reap(&mut queue.tx) {
                Ok(reaped) => {
                    self.answers += u64::from(reaped.sent + reaped.failed);
                    self.counts.failed += u64::from(reaped.failed);
                }
                Err(rx::Broken) => broken = true,
            }
        }
        if broken {
            self.give_up();
        }
        (self.answers, self.offered().1)
    }

    /// The backend can't be believed any more.
    fn give_up(&mut self) {
        self.counts.broken += u64::from(!self.broken);
        self.broken = true;
    }

    /// Counts the first packet of a connection that nobody has room for.
    pub fn turn_away(&mut self) {
        self.counts.turned_away += 1;
    }
}

/// A number that all frames of a connection have in common: of the addresses and ports, where those of IPv4 are without options.
/// Frames of other kinds all have the same.
fn flow(frame: &[u8]) -> usize {
    match frame.get(12..14) {
        Some([0x08, 0x00] | [0x86, 0xdd]) => {
            let ends = frame.get(26..38).unwrap_or_default();
            ends.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)))
        }
        _ => 0,
    }
}

impl<M: RingMemory, S: Memory, B: Bell> Wire for Queues<M, S, B> {
    fn mtu(&self) -> usize {
        self.mtu
    }

    fn offload(&self) -> Offload {
        self.offload
    }

    fn receive(&mut self) -> Option<Frame> {
        if self.left > 0
            && let Some(cut) = &mut self.cut
        {
            if let Some(segment) = cut.next() {
                self.left -= 1;
                return Some(segment);
            }
            self.cut = None;
        }
        let count = self.queues.len();
        let mut empty = 0;
        while empty < count && self.left > 0 && !self.broken {
            let turn = self.turn % count;
            let received = rx::collect(&mut self.queues[turn].rx);
            match self.note(received) {
                None => {
                    empty += 1;
                    self.turn = turn + 1;
                }
                Some(frame) => {
                    self.left -= 1;
                    let queue = &mut self.queues[turn].rx;
                    if queue.room() as usize >= REFILL && queue.pool().counts().1 >= REFILL {
                        rx::refill(queue);
                    }
                    match frame.map(|frame| Cut::new(frame, self.mtu)) {
                        Some(Ok(cut)) => match self.cut.insert(cut).next() {
                            Some(segment) => return Some(segment),
                            None => self.counts.dropped += 1, // there is no memory
                        },
                        Some(Err(frame)) => return Some(frame),
                        None => {}
                    }
                }
            }
        }
        None
    }

    fn unfit(&mut self, why: Unfit) {
        log::debug!("a frame was unfit: {why:?}");
        match why {
            Unfit::Damaged => self.counts.damaged += 1,
            Unfit::TooShort | Unfit::TooLong => self.counts.dropped += 1,
        }
    }

    fn longest_row(&self) -> Option<NonZeroUsize> {
        if self.rows { NonZeroUsize::new(LONGEST) } else { None }
    }

    fn announce_row(&mut self, segment: NonZeroU16) {
        self.segments = Some(segment);
    }

    fn can_send(&mut self) -> bool {
        self.reap();
        // Which queue it will be is known when the frame is.
        let longest = if self.rows { LONGEST } else { self.mtu + SHORTEST };
        // A row takes a slot more.
        let parts = longest.div_ceil(console::types::PAGE_SIZE) as u32 + u32::from(self.rows);
        let room = !self.queues.is_empty() && self.queues.iter().all(|queue| queue.tx.room() >= parts);
        self.full |= !room;
        room && !self.broken
    }

    fn buffer(&mut self, length: usize) -> Vec<u8> {
        let mut buffer = core::mem::take(&mut self.spare);
        buffer.clear();
        buffer.resize(length, 0);
        buffer
    }

    fn send(&mut self, frame: Vec<u8>, blank: bool) {
        let segments = self.segments.take().map(NonZeroU16::get);
        let chosen = flow(&frame) % self.queues.len().max(1);
        if let Some(queue) = self.queues.get_mut(chosen) {
            match queue.tx.send(&frame, blank, segments) {
                Ok(()) => {
                    self.counts.sent += 1;
                    self.counts.bytes_sent += frame.len() as u64;
                }
                Err(error) => {
                    self.full |= error == SendError::Full;
                    self.counts.failed += 1;
                }
            }
        }
        self.spare = frame;
    }
}
