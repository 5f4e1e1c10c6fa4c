//! A xenstored that does what it likes: what `harness/fuzz` and the tests play against the connection.
//!
//! Bytes decide what both sides do. As long as the daemon keeps to the protocol, each call has to get its own reply and each
//! mailbox its own events. A daemon that doesn't may end the connection, and then every call has to end. Whatever it does, this side
//! writes what is its own and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::string::String;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::vec;
use std::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};
use console::types::Domid;

use crate::call::{Call, Reply};
use crate::connection::Connection;
use crate::mailbox::Mailbox;
use crate::protocol::{ERROR, HEADER_SIZE, PAYLOAD_MAX, Request, StoreError, WATCH_EVENT};
use crate::store_ring::{RING_SIZE, StorePage};

/// What happened in a play.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Requests that were accepted.
    pub asked: usize,
    /// Replies that their calls got.
    pub replies: usize,
    /// Events that were taken out of mailboxes.
    pub events: usize,
    /// The connection was ended.
    pub broken: bool,
}

/// Some bytes, mostly few, so that many steps follow.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a>(pub &'a [u8]);

impl<'a> Arbitrary<'a> for Piece<'a> {
    fn arbitrary(choices: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let length = match choices.arbitrary::<u8>()? {
            length @ ..240 => usize::from(length) / 4,
            _ => choices.int_in_range(0..=5000)?,
        };
        choices.bytes(length.min(choices.len())).map(Self)
    }
}

/// What one side does next.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    // This side.
    Ask { request: u8, path: u8, transaction: u32 },
    GiveUp(u8),
    Open(u8),
    Close(u8),
    Pump,
    // The daemon, by the rules, but for what it says.
    Take(u16),
    Reply { to: u8, kind: Kind, payload: Piece<'a> },
    Event { token: u8, path: Piece<'a> },
    OddEvent(Piece<'a>),
    // The daemon, as it likes.
    Raw(Piece<'a>),
    Index { which: u8, value: u32 },
    Poke { place: u16, value: u8 },
}

impl Step<'_> {
    fn breaks_rules(&self) -> bool {
        matches!(self, Step::OddEvent(_) | Step::Raw(_) | Step::Index { .. } | Step::Poke { .. })
    }
}

#[derive(Arbitrary, Debug)]
enum Kind {
    Asked,
    Error,
    Other(u32),
}

const PATHS: &[&str] = &["name", "/local/domain/0", "data/x", "", "a\0b", "/", "device/vif/0/state"];
const WORDS: usize = 4096 / 8;
/// The daemon's part of the page: replies, and its two indexes.
const REPLIES: usize = 0x400;
const REQ_CONS: usize = 0x800;
const REQ_PROD: usize = 0x804;
const RSP_CONS: usize = 0x808;
const RSP_PROD: usize = 0x80c;
const INDEXES: [usize; 4] = [REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD];

/// The page, between two that nobody may touch.
struct Shared {
    memory: Vec<u64>,
    base: *mut u8,
}

const UNTOUCHED: u64 = 0x5a5a_5a5a_5a5a_5a5a;

impl Shared {
    fn new(start: u32) -> Self {
        let mut memory = vec![UNTOUCHED; 3 * WORDS];
        memory[WORDS..2 * WORDS].fill(0);
        let base = memory.as_mut_ptr().wrapping_add(WORDS).cast::<u8>();
        let shared = Self { memory, base };
        INDEXES.iter().for_each(|offset| shared.set_index(*offset, start));
        shared
    }

    fn byte(&self, offset: usize) -> u8 {
        // SAFETY: within the page; all accesses to it are volatile and by its address.
        unsafe { self.base.wrapping_add(offset % 4096).read_volatile() }
    }

    fn set_byte(&self, offset: usize, value: u8) {
        // SAFETY: as above.
        unsafe { self.base.wrapping_add(offset % 4096).write_volatile(value) }
    }

    fn index(&self, offset: usize) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|byte| self.byte(offset + byte)))
    }

    fn set_index(&self, offset: usize, value: u32) {
        (0..).zip(value.to_le_bytes()).for_each(|(byte, value)| self.set_byte(offset + byte, value));
    }

    /// What only the daemon writes.
    fn daemons(&self) -> Vec<u8> {
        let replies = REPLIES..REPLIES + RING_SIZE;
        let indexes = (REQ_CONS..REQ_CONS + 4).chain(RSP_PROD..RSP_PROD + 4);
        replies.chain(indexes).map(|offset| self.byte(offset)).collect()
    }

    fn check_untouched(&self) {
        let beside = self.memory[..WORDS].iter().chain(&self.memory[2 * WORDS..]);
        assert!(beside.into_iter().all(|word| *word == UNTOUCHED), "written beside the page");
    }
}

/// The daemon's side.
#[derive(Default)]
struct Daemon {
    /// A part of a request.
    partial: Vec<u8>,
    /// Requests that wait for a reply: number and kind.
    open: Vec<(u32, u32)>,
    /// What is to be said.
    outgoing: VecDeque<u8>,
    /// It has broken the rules.
    lied: bool,
    /// It said something, by the rules of the ring, that can't be a message.
    nonsense: bool,
}

impl Daemon {
    /// Takes so many bytes of requests.
    fn take(&mut self, shared: &Shared, most: usize) {
        let (consumer, producer) = (shared.index(REQ_CONS), shared.index(REQ_PROD));
        let there = producer.wrapping_sub(consumer) as usize;
        assert!(self.lied || there <= RING_SIZE, "{there} bytes of requests in the ring");
        let count = there.min(most).min(RING_SIZE);
        self.partial
            .extend((0..count as u32).map(|index| shared.byte(consumer.wrapping_add(index) as usize % RING_SIZE)));
        shared.set_index(REQ_CONS, consumer.wrapping_add(count as u32));
        while !self.lied && self.partial.len() >= HEADER_SIZE {
            let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| self.partial[at + byte]));
            let (kind, id, length) = (word(0), word(4), word(12) as usize);
            assert!(length <= PAYLOAD_MAX, "a request of {length} bytes was sent");
            if self.partial.len() < HEADER_SIZE + length {
                break;
            }
            self.partial.drain(..HEADER_SIZE + length);
            self.open.push((id, kind));
        }
    }

    fn say(&mut self, kind: u32, id: u32, payload: &[u8]) {
        let header = [kind, id, 0, payload.len() as u32].map(u32::to_le_bytes);
        self.outgoing.extend(header.as_flattened());
        self.outgoing.extend(payload);
        self.nonsense |= payload.len() > PAYLOAD_MAX;
    }

    /// Puts what is to be said into the ring, as far as there is room. Returns whether it was all of it.
    fn flush(&mut self, shared: &Shared) -> bool {
        let (consumer, producer) = (shared.index(RSP_CONS), shared.index(RSP_PROD));
        let used = producer.wrapping_sub(consumer) as usize;
        assert!(self.lied || used <= RING_SIZE, "{used} bytes of replies in the ring");
        let count = RING_SIZE.saturating_sub(used).min(self.outgoing.len());
        for (index, byte) in (0..).zip(self.outgoing.drain(..count)) {
            shared.set_byte(REPLIES + producer.wrapping_add(index) as usize % RING_SIZE, byte);
        }
        shared.set_index(RSP_PROD, producer.wrapping_add(count as u32));
        self.outgoing.is_empty()
    }
}

/// A call that somebody waits for, and the reply that it has to get, once it was said.
struct Waiting {
    id: u32,
    call: Arc<Call>,
    expected: Option<Reply>,
}

struct Play<'a> {
    shared: &'a Shared,
    connection: Connection<StorePage>,
    daemon: Daemon,
    waiting: Vec<Waiting>,
    mailbox: Arc<Mailbox>,
    open: Vec<u32>,
    ever: BTreeSet<u32>,
    /// What was said to each watch that was open then.
    said: BTreeMap<u32, BTreeSet<String>>,
    seen: Seen,
}

/// Plays what these bytes say.
///
/// # Panics
/// If the connection does what it must not.
pub fn play(data: &[u8]) -> Seen {
    let mut choices = Unstructured::new(data);
    let shared = Shared::new(choices.arbitrary().unwrap_or_default());
    // SAFETY: the page stays until the end, and everybody accesses it by its address.
    let page = unsafe { StorePage::new(shared.base) };
    let (connection, mailbox) = (Connection::new(page), Arc::default());
    let (daemon, waiting, open) = Default::default();
    let (ever, said, seen) = Default::default();
    let mut play = Play { shared: &shared, connection, daemon, waiting, mailbox, open, ever, said, seen };
    // Half of all daemons break no rule: then more is asserted.
    let honest = choices.arbitrary().unwrap_or(true);
    while !choices.is_empty() {
        let Ok(step) = choices.arbitrary::<Step<'_>>() else { break };
        if !(honest && step.breaks_rules()) {
            play.step(&step);
        }
    }
    play.end();
    play.seen
}

impl Play<'_> {
    fn step(&mut self, step: &Step<'_>) {
        let pick = |number: u8, count: usize| (count > 0).then(|| usize::from(number) % count);
        match *step {
            Step::Ask { request, path, transaction } => {
                self.ask(request, PATHS[usize::from(path) % PATHS.len()], transaction)
            }
            Step::GiveUp(number) => {
                if let Some(number) = pick(number, self.waiting.len()) {
                    let Waiting { id, .. } = self.waiting.swap_remove(number);
                    self.connection.give_up(id);
                }
            }
            Step::Open(path) => {
                let token = self.connection.open_watch(PATHS[usize::from(path) % PATHS.len()], &self.mailbox);
                assert!(self.ever.insert(token) || !self.open.contains(&token), "token {token} twice");
                self.open.push(token);
            }
            Step::Close(number) => {
                if let Some(number) = pick(number, self.open.len()) {
                    let token = self.open.swap_remove(number);
                    assert!(self.connection.close_watch(token).is_some());
                    self.mailbox.forget(token);
                }
            }
            Step::Pump => self.pump(),
            Step::Take(most) => self.daemon.take(self.shared, usize::from(most) % (RING_SIZE + 1)),
            Step::Reply { to, ref kind, payload: Piece(payload) } => {
                let Some(number) = pick(to, self.daemon.open.len()) else { return };
                let (id, asked) = self.daemon.open.swap_remove(number);
                self.reply(id, asked, kind, payload);
            }
            Step::Event { token, path: Piece(path) } => {
                // An event has to find the watch that is open when it is taken, so it is taken at once.
                self.settle();
                let token = pick(token, self.open.len()).map_or(u32::from(token), |number| self.open[number]);
                let path = String::from_utf8_lossy(path).replace('\0', "-");
                self.said.entry(token).or_default().insert(path.clone());
                self.daemon.say(WATCH_EVENT, 0, std::format!("{path}\0{token}\0").as_bytes());
                self.settle();
            }
            Step::OddEvent(Piece(payload)) => {
                let texts = payload.strip_suffix(b"\0").filter(|_| payload.len() <= PAYLOAD_MAX);
                let is_event = texts.is_some_and(|texts| {
                    texts.contains(&0) && texts.split(|byte| *byte == 0).all(|text| str::from_utf8(text).is_ok())
                });
                self.daemon.nonsense |= !is_event;
                if let (true, Some(texts)) = (is_event, texts.map(String::from_utf8_lossy)) {
                    let mut texts = texts.split('\0');
                    let (path, token) =
                        (texts.next().unwrap_or_default(), texts.next().and_then(|token| token.parse().ok()));
                    self.said.entry(token.unwrap_or(0)).or_default().insert(path.into());
                }
                self.daemon.say(WATCH_EVENT, 0, payload);
            }
            Step::Raw(Piece(bytes)) => {
                self.daemon.lied = true;
                self.daemon.outgoing.extend(bytes);
                self.daemon.flush(self.shared);
            }
            Step::Index { which, value } => {
                self.daemon.lied = true;
                self.shared.set_index(INDEXES[usize::from(which) % 4], value);
            }
            Step::Poke { place, value } => {
                self.daemon.lied = true;
                self.shared.set_byte(place.into(), value);
            }
        }
    }

    fn ask(&mut self, number: u8, path: &str, transaction: u32) {
        let long = "x".repeat(usize::from(number) * 17);
        let request = match number % 15 {
            0 => Request::Directory(path),
            1 => Request::Read(path),
            2 => Request::GetPermissions(path),
            3 => Request::Watch { node: path, token: "1" },
            4 => Request::Unwatch { node: path, token: "1" },
            5 => Request::TransactionStart,
            6 => Request::TransactionEnd { commit: transaction.is_multiple_of(2) },
            7 => Request::GetDomainPath(Domid(transaction as u16)),
            8 => Request::Write { node: path, value: long.as_bytes() },
            9 => Request::MakeDirectory(path),
            10 => Request::Remove(path),
            11 => Request::SetPermissions { node: path, permissions: &["n0", path] },
            12 => Request::ResetWatches,
            13 => Request::DirectoryPart { node: path, offset: usize::from(number) },
            _ => Request::Read(&long),
        };
        match self.connection.ask(&request, transaction) {
            Ok((id, call)) => {
                assert!(self.waiting.iter().all(|other| other.id != id), "number {id} is given twice");
                self.waiting.push(Waiting { id, call, expected: None });
                self.seen.asked += 1;
            }
            Err(error) => self.seen.broken |= error == StoreError::Disconnected,
        }
        assert!(!self.seen.broken || self.daemon.lied || self.daemon.nonsense, "broken without a reason");
    }

    fn reply(&mut self, id: u32, asked: u32, kind: &Kind, payload: &[u8]) {
        let kind = match kind {
            Kind::Asked => asked,
            Kind::Error => ERROR,
            // An event is for nobody's call.
            Kind::Other(WATCH_EVENT) => return,
            Kind::Other(kind) => *kind,
        };
        self.daemon.say(kind, id, payload);
        let payload = payload.to_vec();
        let expected = match kind {
            ERROR => Err(StoreError::Refused(crate::protocol::Refusal::named(
                payload.strip_suffix(b"\0").unwrap_or(&payload),
            ))),
            _ if kind == asked => Ok(payload),
            _ => Err(StoreError::Garbled),
        };
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.id == id) {
            waiting.expected = Some(expected);
        }
    }

    /// Has this side move what it can. It leaves alone what is the daemon's.
    fn pump(&mut self) {
        self.daemon.flush(self.shared);
        let before = self.shared.daemons();
        self.connection.pump();
        assert!(self.shared.daemons() == before, "written to what is the daemon's");
        self.shared.check_untouched();
        let daemon = &self.daemon;
        let all_said = daemon.outgoing.is_empty();
        self.waiting.retain_mut(|waiting| {
            let Poll::Ready(reply) = waiting.call.poll(&mut Context::from_waker(Waker::noop())) else {
                let is_late = all_said && waiting.expected.is_some() && !daemon.lied && !daemon.nonsense;
                assert!(!is_late, "a reply was lost");
                return true;
            };
            self.seen.replies += 1;
            if !daemon.lied && !daemon.nonsense {
                assert_eq!(Some(reply), waiting.expected, "a call got another reply than its own");
            }
            false
        });
        while let Ok(Some(event)) = self.mailbox.try_take() {
            let said = self.said.get(&event.token).is_some_and(|said| said.contains(&event.path));
            assert!(said || self.daemon.lied, "{event:?} comes from nowhere");
            assert!(self.open.contains(&event.token), "{event:?} of a watch that is no more");
            self.seen.events += 1;
        }
    }

    /// Has everything that was said get to this side, if it still listens.
    fn settle(&mut self) {
        for _ in 0..self.daemon.outgoing.len() / RING_SIZE + 2 {
            self.pump();
        }
    }

    /// In the end all that is to be said has come, or the connection is broken and nobody waits any more.
    fn end(&mut self) {
        self.settle();
        if self.connection.ask(&Request::Read("x"), 0).is_err() {
            assert!(self.daemon.lied || self.daemon.nonsense, "broken without a reason");
            assert!(self.waiting.is_empty(), "the connection is broken, and {} calls still wait", self.waiting.len());
            self.seen.broken = true;
        } else {
            assert!(!self.daemon.nonsense || self.daemon.lied, "nonsense was believed");
        }
    }
}
