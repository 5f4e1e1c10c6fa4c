//! How long it takes from a guest's first instruction to the first byte of a page.
//!
//! Nobody tells dom0 when the guest is ready, so it knocks: every few milliseconds a connection is tried, and the first that
//! brings a byte counts. The earlier ones go on meanwhile: on a slow machine the answer may take longer than that. Each knock
//! takes dom0's time from the guest, so there is none before frames can go through at all.

use super::PORT;
use super::carrier::Changes;
use super::domain::unpause;
use super::http::REQUEST;
use crate::ticks;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, recv, send, socket_with, sockopt};
use rustix::net::{RecvFlags, SendFlags};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(5);
/// Tries under way at the same time.
const MOST: usize = 16;
/// Far more than a slow machine needs.
const LIMIT: Duration = Duration::from_secs(300);

struct Try {
    socket: OwnedFd,
    asked: bool,
}

/// Has the guest begin; ticks until a byte has come.
pub fn after_the_start(domain: u16, address: Ipv4Addr) -> Result<u64, String> {
    let address = SocketAddrV4::new(address, PORT);
    let mut tries: VecDeque<Try> = VecDeque::new();
    let changes = Changes::watch()?;
    let begin = (ticks(), Instant::now());
    unpause(domain)?;
    changes.until_connected(domain, LIMIT)?;
    while begin.1.elapsed() < LIMIT {
        if tries.len() == MOST {
            tries.pop_front();
        }
        tries.extend(attempt(&address));
        let next = Instant::now() + PAUSE;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            let mut waits: Vec<PollFd<'_>> = tries.iter().map(Try::wait).collect();
            poll(&mut waits, Timespec::try_from(left).ok().as_ref()).map_err(|error| error.to_string())?;
            let events: Vec<PollFlags> = waits.iter().map(PollFd::revents).collect();
            let mut happened = events.into_iter();
            let mut done = None;
            tries.retain_mut(|attempt| match happened.next() {
                Some(events) if !events.is_empty() => attempt.go_on(&mut done),
                _ => true,
            });
            if let Some(end) = done {
                return Ok(end - begin.0);
            }
            if left.is_zero() {
                break;
            }
        }
    }
    Err(format!("{address} did not answer in {} s", LIMIT.as_secs()))
}

fn attempt(address: &SocketAddrV4) -> Option<Try> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None).ok()?;
    match connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS) => Some(Try { socket, asked: false }),
        Err(_) => None,
    }
}

impl Try {
    fn wait(&self) -> PollFd<'_> {
        PollFd::new(&self.socket, if self.asked { PollFlags::IN } else { PollFlags::OUT })
    }

    /// Something has happened. Returns whether there is hope; `done` is when a byte came.
    fn go_on(&mut self, done: &mut Option<u64>) -> bool {
        if self.asked {
            let mut byte = [0];
            let came = recv(&self.socket, &mut byte, RecvFlags::empty()).is_ok_and(|(count, _)| count == 1);
            if came {
                done.get_or_insert_with(ticks);
            }
            return came;
        }
        self.asked = true;
        matches!(sockopt::socket_error(&self.socket), Ok(Ok(())))
            && send(&self.socket, REQUEST, SendFlags::NOSIGNAL).is_ok_and(|count| count == REQUEST.len())
    }
}
