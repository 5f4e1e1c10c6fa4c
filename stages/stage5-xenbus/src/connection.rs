//! The connection to xenstore's daemon: who waits for which reply.
//!
//! Many callers share one pair of rings. Each request gets a number, its reply brings the number back, in any order, with
//! events of watches in between. What doesn't fit into the ring yet waits in a buffer, and replies are always taken, so the two
//! sides never wait for one another.
//!
//! Nothing here waits or sleeps: [`Connection::pump`] moves what can be moved, and is called when a request is made and when
//! the daemon sends an event.
//!
//! Invariant: a reply goes to the call whose number and kind it has, or nowhere. What makes no sense as a message breaks
//! the connection: where the next one begins, nobody could tell.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::call::Call;
use crate::mailbox::Mailbox;
use crate::protocol::{self, HEADER_SIZE, Header, Request, StoreError, WATCH_EVENT};
use crate::store_ring::{Broken, Ring};

/// What goes to the daemon and comes from it.
pub struct Connection<R> {
    ring: R,
    outgoing: VecDeque<u8>,
    incoming: Incoming,
    calls: BTreeMap<u32, Arc<Call>>,
    watches: BTreeMap<u32, Watched>,
    last_id: u32,
    last_token: u32,
    broken: bool,
    counts: Counts,
}

/// What came that nobody waited for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Replies to a request that was given up, or never made.
    pub stray_replies: u64,
    /// Events of watches that are no more.
    pub stray_events: u64,
}

struct Watched {
    path: String,
    mailbox: Arc<Mailbox>,
}

/// A message that is coming in.
#[derive(Default)]
struct Incoming {
    header: [u8; HEADER_SIZE],
    /// Bytes of the header that are there.
    header_length: usize,
    parsed: Option<Header>,
    payload: Vec<u8>,
}

impl<R: Ring> Connection<R> {
    /// A connection on which nothing was said yet.
    pub const fn new(ring: R) -> Self {
        Self {
            ring,
            outgoing: VecDeque::new(),
            incoming: Incoming { header: [0; HEADER_SIZE], header_length: 0, parsed: None, payload: Vec::new() },
            calls: BTreeMap::new(),
            watches: BTreeMap::new(),
            last_id: 0,
            last_token: 0,
            broken: false,
            counts: Counts { stray_replies: 0, stray_events: 0 },
        }
    }

    /// Makes a request. Returns its number, and what its reply will be found in.
    ///
    /// # Errors
    /// If it can't be sent, or there is no connection any more.
    pub fn ask(&mut self, request: &Request<'_>, transaction: u32) -> Result<(u32, Arc<Call>), StoreError> {
        if self.broken {
            return Err(StoreError::Disconnected);
        }
        let mut message = Vec::new();
        let id = self.free_id();
        protocol::encode(request, id, transaction, &mut message)?;
        self.outgoing.extend(message);
        let call = Arc::new(Call::new(request.kind()));
        self.calls.insert(id, call.clone());
        Ok((id, call))
    }

    /// Gives up a call: its reply will be thrown away.
    pub fn give_up(&mut self, id: u32) {
        self.calls.remove(&id);
    }

    /// Has the events of a new watch put into a mailbox. Returns the watch's token.
    pub fn open_watch(&mut self, path: &str, mailbox: &Arc<Mailbox>) -> u32 {
        loop {
            self.last_token = self.last_token.wrapping_add(1);
            if !self.watches.contains_key(&self.last_token) {
                break;
            }
        }
        self.watches.insert(self.last_token, Watched { path: path.into(), mailbox: mailbox.clone() });
        self.last_token
    }

    /// Throws away what comes from this watch from now on. Returns its path.
    pub fn close_watch(&mut self, token: u32) -> Option<String> {
        self.watches.remove(&token).map(|watched| watched.path)
    }

    /// What came that nobody waited for.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    // ANCHOR: pump
    /// Moves bytes both ways until nothing moves any more. Returns whether the daemon has to be told.
    pub fn pump(&mut self) -> bool {
        let mut moved = false;
        while !self.broken {
            match self.turn() {
                Ok(true) => moved = true,
                Ok(false) => break,
                Err(error) => self.break_off(error),
            }
        }
        moved
    }

    fn turn(&mut self) -> Result<bool, StoreError> {
        const GARBLED: fn(Broken) -> StoreError = |Broken| StoreError::Garbled;
        let sent = self.ring.send(self.outgoing.as_slices().0).map_err(GARBLED)?;
        self.outgoing.drain(..sent);
        let mut buffer = [0; 256];
        let received = self.ring.receive(&mut buffer).map_err(GARBLED)?;
        let mut bytes = &buffer[..received];
        while !bytes.is_empty() {
            let (header, rest) = self.incoming.take(bytes)?;
            bytes = rest;
            if let Some(header) = header {
                let payload = core::mem::take(&mut self.incoming.payload);
                self.deliver(header, payload)?;
            }
        }
        Ok(sent + received > 0)
    }
    // ANCHOR_END: pump

    /// Gives a message to whoever waits for it.
    fn deliver(&mut self, header: Header, payload: Vec<u8>) -> Result<(), StoreError> {
        if header.kind == WATCH_EVENT {
            return self.deliver_event(&payload);
        }
        match self.calls.remove(&header.id) {
            Some(call) => call.finish(protocol::parse_reply(call.kind(), header.kind, &payload).map(<[u8]>::to_vec)),
            None => self.counts.stray_replies += 1,
        }
        Ok(())
    }

    fn deliver_event(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        let texts = protocol::parse_strings(payload)?;
        let [path, token, ..] = &texts[..] else { return Err(StoreError::Garbled) };
        match token.parse::<u32>().ok().and_then(|token| Some((token, self.watches.get(&token)?))) {
            Some((token, watched)) => watched.mailbox.put(token, path, &watched.path),
            None => self.counts.stray_events += 1,
        }
        Ok(())
    }

    /// Ends everything: nobody will get a reply any more.
    fn break_off(&mut self, error: StoreError) {
        self.broken = true;
        self.outgoing.clear();
        for call in core::mem::take(&mut self.calls).into_values() {
            call.finish(Err(error));
        }
        for watched in self.watches.values() {
            watched.mailbox.close();
        }
    }

    fn free_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.calls.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }
}

impl Incoming {
    /// Takes what belongs to the message that is coming in. Returns its header if it is whole, with its payload in
    /// `self.payload`, and the bytes that are left.
    fn take<'a>(&mut self, mut bytes: &'a [u8]) -> Result<(Option<Header>, &'a [u8]), StoreError> {
        let header = match self.parsed {
            Some(header) => header,
            None => {
                let count = bytes.len().min(HEADER_SIZE - self.header_length);
                self.header[self.header_length..][..count].copy_from_slice(&bytes[..count]);
                self.header_length += count;
                bytes = &bytes[count..];
                if self.header_length < HEADER_SIZE {
                    return Ok((None, bytes));
                }
                *self.parsed.insert(protocol::parse_header(&self.header)?)
            }
        };
        let missing = (header.length as usize).saturating_sub(self.payload.len());
        let (own, rest) = bytes.split_at(missing.min(bytes.len()));
        self.payload.extend_from_slice(own);
        if own.len() < missing {
            return Ok((None, rest));
        }
        self.header_length = 0;
        self.parsed = None;
        Ok((Some(header), rest))
    }
}
