//! The queue of events between the agent's connection and whoever watches the guest.
//!
//! Invariant: bounded memory. Console bytes and frames beyond [`LIMIT`] are dropped, and an event in their place says
//! how many; every other event is kept, so an exit is never lost.

use crate::error::{Error, Result};
use crate::machine::deadline::Deadline;
use agent::Event;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many bytes may wait: half a minute of a guest that prints as fast as xenconsoled lets it.
pub const LIMIT: usize = 8 << 20;
/// Console output that comes in small pieces is joined up to this size.
const JOIN: usize = 64 << 10;

/// Events in the order in which they happened.
#[derive(Default)]
pub struct Events {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    /// Why no more will come.
    ended: Option<String>,
}

impl Events {
    /// The next event; `None` if there is none within `patience`; an error once the machine is gone.
    pub fn next(&self, patience: Duration) -> Result<Option<Event>> {
        let deadline = Deadline::after(patience);
        let mut queue = self.lock();
        loop {
            if let Some(event) = queue.events.pop_front() {
                queue.bytes -= size(&event);
                return Ok(Some(event));
            }
            if let Some(why) = &queue.ended {
                return Err(Error::fault(why.clone()));
            }
            if deadline.is_over() {
                return Ok(None);
            }
            let waited = self.arrived.wait_timeout(queue, deadline.left());
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn push(&self, event: Event) {
        self.lock().push(event);
        self.arrived.notify_all();
    }

    pub(super) fn end(&self, why: &str) {
        self.lock().ended.get_or_insert_with(|| why.to_owned());
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, event: Event) {
        let room = self.bytes + size(&event) <= LIMIT;
        match (self.events.back_mut(), event) {
            (Some(Event::Console { domain, bytes }), Event::Console { domain: same, bytes: more })
                if room && *domain == same && bytes.len() + more.len() <= JOIN =>
            {
                self.bytes += more.len();
                bytes.extend(more);
            }
            (Some(Event::ConsoleLost { domain, bytes }), Event::Console { domain: same, bytes: more })
                if !room && *domain == same =>
            {
                *bytes += more.len() as u64;
            }
            (_, Event::Console { domain, bytes }) if !room => {
                self.events.push_back(Event::ConsoleLost { domain, bytes: bytes.len() as u64 });
            }
            (Some(Event::FramesLost { frames }), Event::Frame { .. }) if !room => *frames += 1,
            (_, Event::Frame { .. }) if !room => self.events.push_back(Event::FramesLost { frames: 1 }),
            (_, event) => {
                self.bytes += size(&event);
                self.events.push_back(event);
            }
        }
    }
}

/// What counts against the limit.
fn size(event: &Event) -> usize {
    match event {
        Event::Console { bytes, .. } | Event::Frame { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::Reason;

    fn console(bytes: &[u8]) -> Event {
        Event::Console { domain: "a".into(), bytes: bytes.to_vec() }
    }

    #[test]
    fn console_output_is_joined_and_keeps_its_place() {
        let events = Events::default();
        events.push(console(b"one "));
        events.push(console(b"two"));
        events.push(Event::Exited { domain: "a".into(), domid: 1, reason: Reason::Poweroff });
        assert_eq!(events.next(Duration::ZERO).unwrap(), Some(console(b"one two")));
        assert!(matches!(events.next(Duration::ZERO).unwrap(), Some(Event::Exited { .. })));
        assert_eq!(events.next(Duration::from_millis(1)).unwrap(), None);
    }

    #[test]
    fn a_flood_is_bounded_counted_and_does_not_hide_the_exit() {
        let events = Events::default();
        for _ in 0..300 {
            events.push(console(&[b'x'; 64 << 10]));
        }
        events.push(Event::Exited { domain: "a".into(), domid: 1, reason: Reason::Crash });
        let (mut kept, mut lost, mut exits) = (0, 0, 0);
        while let Some(event) = events.next(Duration::ZERO).unwrap() {
            match event {
                Event::Console { bytes, .. } => kept += bytes.len(),
                Event::ConsoleLost { bytes, .. } => lost += bytes as usize,
                _ => exits += 1,
            }
        }
        assert_eq!((kept, kept + lost, exits), (LIMIT, 300 * (64 << 10), 1));
        events.push(console(b"room again"));
        assert_eq!(events.next(Duration::ZERO).unwrap(), Some(console(b"room again")));
    }

    #[test]
    fn the_end_comes_after_what_was_before_it() {
        let events = Events::default();
        events.push(console(b"last words"));
        events.end("QEMU is gone");
        assert!(events.next(Duration::ZERO).is_ok());
        assert_eq!(events.next(Duration::from_secs(9)).unwrap_err().message, "QEMU is gone");
    }
}
