//! The connection and its mailboxes, with a daemon of the test's own. (They use exercise 5b.)

use std::format;
use std::sync::Arc;
use std::vec::Vec;

use crate::connection::Connection;
use crate::mailbox::{MOST, Mailbox};
use crate::protocol::{Refusal, Request, StoreError};
use crate::store_ring::{Broken, Ring};
use crate::{directory, hostile};
use threads::time::after;

/// What was sent, and what is to be received, a few bytes at a time.
#[derive(Default)]
struct Wire {
    sent: Vec<u8>,
    coming: Vec<u8>,
    broken: bool,
}

impl Ring for Wire {
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let some = bytes.len().min(7);
        self.sent.extend_from_slice(&bytes[..some]);
        if self.broken { Err(Broken) } else { Ok(some) }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        let some = self.coming.len().min(buffer.len()).min(5);
        buffer[..some].copy_from_slice(&self.coming[..some]);
        self.coming.drain(..some);
        Ok(some)
    }
}

fn message(kind: u32, id: u32, payload: &[u8]) -> Vec<u8> {
    let header = [kind, id, 0, payload.len() as u32].map(u32::to_le_bytes);
    [header.concat(), payload.to_vec()].concat()
}

fn connection(coming: &[Vec<u8>]) -> Connection<Wire> {
    Connection::new(Wire { coming: coming.concat(), ..Wire::default() })
}

#[test]
fn replies_find_their_calls_in_any_order() {
    let replies =
        [message(2, 3, b"three"), message(16, 1, b"ENOENT\0"), message(2, 2, b"two"), message(2, 9, b"stray")];
    let mut connection = connection(&replies);
    let calls: Vec<_> = (0..3).map(|_| connection.ask(&Request::Read("x"), 0).unwrap()).collect();
    assert!(connection.pump());
    assert_eq!(calls.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3]);
    let replies: Vec<_> = calls.iter().map(|(_, call)| call.wait(after(core::time::Duration::ZERO))).collect();
    let missing = Err(StoreError::Refused(Refusal::NotFound));
    assert_eq!(replies, [missing, Ok(b"two".to_vec()), Ok(b"three".to_vec())]);
    assert_eq!(connection.counts().stray_replies, 1);
}

#[test]
fn what_makes_no_sense_ends_every_call() {
    let mut connection = connection(&[message(2, 2, b"fine"), [7; 12].into(), 5000_u32.to_le_bytes().into()]);
    let (_, first) = connection.ask(&Request::Read("x"), 0).unwrap();
    connection.pump();
    assert_eq!(first.wait(after(core::time::Duration::ZERO)), Err(StoreError::Garbled));
    assert_eq!(connection.ask(&Request::Read("x"), 0).err(), Some(StoreError::Disconnected));
}

#[test]
fn a_thousand_events_become_one_for_each_path() {
    let event = |number: usize| message(15, 0, format!("data/{}\0{}\0", number % 3, 1).as_bytes());
    let events: Vec<_> = (0..1000).map(event).chain([message(15, 0, b"data/x\0999\0")]).collect();
    let mut connection = connection(&events);
    let mailbox = Arc::<Mailbox>::default();
    assert_eq!(connection.open_watch("data", &mailbox), 1);
    connection.pump();
    let paths: Vec<_> = std::iter::from_fn(|| mailbox.try_take().unwrap()).map(|event| event.path).collect();
    assert_eq!(paths, ["data/0", "data/1", "data/2"]);
    assert_eq!(connection.counts().stray_events, 1);
}

#[test]
fn a_flood_of_paths_becomes_the_watched_one() {
    let mailbox = Mailbox::default();
    mailbox.put(2, "other", "other");
    for number in 0..MOST + 5 {
        mailbox.put(1, &format!("data/{number}"), "data");
    }
    let paths: Vec<_> = std::iter::from_fn(|| mailbox.try_take().unwrap()).map(|event| event.path).collect();
    assert_eq!(paths[..2], ["other", "data"]);
    assert!(paths.len() < 10, "{paths:?}");
    mailbox.close();
    assert_eq!(mailbox.try_take(), Err(StoreError::Disconnected));
}

#[test]
fn whatever_a_daemon_does_a_call_gets_its_own_reply_or_none() {
    let (mut replies, mut events, mut broken) = (0, 0, 0);
    for seed in 0..3000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let length = rng.usize(..if seed % 16 == 0 { 20_000 } else { 2000 });
        let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
        let seen = hostile::play(&bytes);
        (replies, events) = (replies + seen.replies, events + seen.events);
        broken += usize::from(seen.broken);
    }
    assert!(replies > 500 && events > 1000 && broken > 300, "{replies} replies, {events} events, {broken} broken");
}

/// A daemon with these parts of a directory, each with its generation, which it gives again and again.
fn parts(parts: &[&'static [u8]]) -> Result<Vec<std::string::String>, StoreError> {
    let mut parts = parts.iter().cycle();
    let mut left = 100_000;
    let goes_on = || {
        left -= 1;
        left > 0
    };
    directory::join(|_| Ok(parts.next().copied().unwrap_or_default().to_vec()), goes_on)
}

#[test]
fn a_directory_in_parts_has_an_end() {
    assert_eq!(parts(&[b"7\0a\0b\0", b"7\0cd\0\0"]).unwrap(), ["a", "b", "cd"]);
    assert_eq!(parts(&[b"7\0\0"]).unwrap(), [""; 0]);
    // It has changed in between.
    assert_eq!(parts(&[b"7\0a\0", b"8\0b\0", b"8\0c\0", b"8\0d\0\0"]).unwrap(), ["c", "d"]);
    for garbled in [&[&b"7"[..]][..], &[b"7\0"], &[b"7\0a\0", b"7\0"], &[b"7\0more, and never an end"]] {
        assert_eq!(parts(garbled), Err(StoreError::Garbled), "{garbled:?}");
    }
    assert_eq!(parts(&[b"7\0a\0", b"8\0a\0"]), Err(StoreError::TimedOut));
}
