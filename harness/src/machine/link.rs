//! The connection to the agent: sends calls, gives each its reply, and queues events.
//!
//! It follows the protocol of the `agent` library.
//!
//! Invariant: every call ends: with its reply, at its deadline, or when the connection breaks. Garbage from the agent
//! breaks it, because what else was lost cannot be known.

use crate::error::{Context, Error, Result};
use crate::machine::deadline::{Deadline, Deadlines};
use crate::machine::events::Events;
use agent::{Call, Decoder, FromAgent, Reply, Request};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Seconds that the rest of a frame may take to come.
const PATIENCE: f64 = 5.;
/// How many seconds longer than the agent the harness waits, so that the agent's own report of a time-out arrives.
const GRACE: f64 = 3.;

/// Says how the machine is, to go with an error.
pub type Standing = Arc<dyn Fn() -> String + Send + Sync>;

/// A reply, or why the agent has none.
type Answer = std::result::Result<Reply, String>;

/// A connection to the agent.
pub struct Link {
    writer: Mutex<UnixStream>,
    shared: Arc<Shared>,
    standing: Standing,
    deadlines: Deadlines,
}

struct Shared {
    calls: Mutex<Calls>,
    events: Events,
}

#[derive(Default)]
struct Calls {
    next: u64,
    waiting: HashMap<u64, Sender<Answer>>,
    /// Why there will be no more replies.
    broken: Option<String>,
    /// How often the agent received garbage, and what it was the last time.
    garbage: (u64, String),
}

/// A call under way.
pub struct Pending {
    reply: Receiver<Answer>,
    deadline: Deadline,
    id: u64,
}

impl Link {
    /// Talks to an agent at the other end of `stream`.
    pub fn new(stream: UnixStream, standing: Standing, deadlines: Deadlines) -> Result<Self> {
        let reader = stream.try_clone().doing("share the agent's connection")?;
        let shared = Arc::new(Shared { calls: Mutex::default(), events: Events::default() });
        let received = shared.clone();
        let about = standing.clone();
        std::thread::spawn(move || {
            let why = receive(reader, &received, deadlines.seconds(PATIENCE));
            received.fail(&format!("{why}. {}", about()));
        });
        Ok(Self { writer: Mutex::new(stream), shared, standing, deadlines })
    }

    /// What happens in dom0.
    pub fn events(&self) -> &Events {
        &self.shared.events
    }

    /// Asks, and waits for the reply. `what` names the request in errors, as in "create demo".
    pub fn call(&self, what: &str, request: Request, time: Duration) -> Result<Reply> {
        let pending = self.begin(request, time)?;
        self.finish(what, pending)
    }

    /// Asks without waiting.
    pub fn begin(&self, request: Request, time: Duration) -> Result<Pending> {
        let deadline = Deadline::after(time + self.deadlines.seconds(GRACE));
        let (sender, reply) = channel();
        let id = {
            let mut calls = self.shared.lock();
            if let Some(why) = &calls.broken {
                return Err(Error::fault(why.clone()));
            }
            calls.next += 1;
            let id = calls.next;
            calls.waiting.insert(id, sender);
            id
        };
        let time_ms = time.as_millis().try_into().unwrap_or(u32::MAX);
        let frame = agent::encode(&Call { id, time_ms, request }).map_err(Error::fault)?;
        self.send(&frame, deadline)?;
        Ok(Pending { reply, deadline, id })
    }

    /// Waits for the reply.
    pub fn finish(&self, what: &str, pending: Pending) -> Result<Reply> {
        match pending.reply.recv_timeout(pending.deadline.left()) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(why)) => Err(Error::fault(format!("the test host could not {what}: {why}"))),
            Err(RecvTimeoutError::Timeout) => {
                let (times, last) = {
                    let mut calls = self.shared.lock();
                    calls.waiting.remove(&pending.id);
                    calls.garbage.clone()
                };
                let mut standing = (self.standing)();
                if times > 0 {
                    standing += &format!("; the agent received garbage {times} times, the last time {last}");
                }
                Err(pending.deadline.missed(format_args!("waiting for the test host to {what}"), standing))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let why = self.shared.lock().broken.clone();
                let why = why.unwrap_or_else(|| "the connection to the agent is gone".into());
                Err(Error::fault(format!("the test host could not {what}: {why}")))
            }
        }
    }

    /// Sends bytes as they are.
    pub fn send(&self, bytes: &[u8], deadline: Deadline) -> Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let time = deadline.left().max(Duration::from_millis(1));
        let sent = writer.set_write_timeout(Some(time)).and_then(|()| writer.write_all(bytes));
        sent.map_err(|error| {
            // Part of a frame may be on its way: nothing that follows would be understood.
            let why = format!("the agent does not take any more ({error}). {}", (self.standing)());
            self.shared.fail(&why);
            Error::fault(why)
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Ends the reader. It may be closed already.
        let _ = writer.shutdown(std::net::Shutdown::Both);
    }
}

/// Receives until the connection breaks; says why it did.
fn receive(mut stream: UnixStream, shared: &Shared, patience: Duration) -> String {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 256 << 10];
    loop {
        if let Err(error) = stream.set_read_timeout(decoder.is_inside().then_some(patience)) {
            return error.to_string();
        }
        match stream.read(&mut buffer) {
            Ok(0) => return "the connection to the agent is closed".into(),
            Ok(count) => decoder.push(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if let Some(garbage) = decoder.abandon() {
                    return format!("the agent sent {garbage}");
                }
            }
            Err(error) => return format!("the connection to the agent is closed: {error}"),
        }
        while let Some(frame) = decoder.next() {
            match frame.and_then(|payload| agent::decode(&payload)) {
                Ok(message) => shared.take(message),
                Err(garbage) => return format!("the agent sent {garbage}"),
            }
        }
    }
}

impl Shared {
    fn take(&self, message: FromAgent) {
        match message {
            FromAgent::Event(event) => self.events.push(event),
            FromAgent::Reply { id, result } => {
                // One that nobody waits for any more came too late.
                if let Some(waiting) = self.lock().waiting.remove(&id) {
                    let _ = waiting.send(result);
                }
            }
            FromAgent::Garbage(what) => {
                // It skips to the next frame and goes on. A call that was lost in it will miss its deadline.
                let mut calls = self.lock();
                calls.garbage.0 += 1;
                calls.garbage.1 = what;
            }
        }
    }

    fn fail(&self, why: &str) {
        let mut calls = self.lock();
        calls.broken.get_or_insert_with(|| why.to_owned());
        calls.waiting.clear();
        self.events.end(why);
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::Event;

    fn pair() -> (Link, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Link::new(ours, Arc::new(|| "All was well.".into()), Deadlines::default()).unwrap(), theirs)
    }

    fn read_call(stream: &mut UnixStream) -> Call {
        let mut decoder = Decoder::default();
        let mut buffer = [0; 4096];
        loop {
            let count = stream.read(&mut buffer).unwrap();
            decoder.push(&buffer[..count]);
            if let Some(frame) = decoder.next() {
                return agent::decode(&frame.unwrap()).unwrap();
            }
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn replies_find_their_calls_in_any_order() {
        let (link, mut agent) = pair();
        let first = link.begin(Request::XenMessages, SECOND).unwrap();
        let second = link.begin(Request::XenMessages, SECOND).unwrap();
        for id in [2, 1] {
            let reply = FromAgent::Reply { id, result: Ok(Reply::Number(id)) };
            agent.write_all(&agent::encode(&reply).unwrap()).unwrap();
        }
        assert_eq!(link.finish("a", first).unwrap(), Reply::Number(1));
        assert_eq!(link.finish("b", second).unwrap(), Reply::Number(2));
    }

    #[test]
    fn garbage_from_the_agent_is_named_and_ends_every_call() {
        let (link, mut agent) = pair();
        let pending = link.begin(Request::XenMessages, SECOND).unwrap();
        agent.write_all(b"/bin/sh: agent: not found\n").unwrap();
        let error = link.finish("read Xen's messages", pending).unwrap_err().message;
        assert!(error.contains("could not read Xen's messages: the agent sent bytes that begin no frame"), "{error}");
        assert!(error.contains("All was well."), "{error}");
        assert!(link.begin(Request::XenMessages, SECOND).is_err());
        assert!(link.events().next(SECOND).is_err());
    }

    #[test]
    fn a_frame_cut_short_by_the_end_and_a_call_without_reply_end_too() {
        let (link, mut agent) = pair();
        let error = link.call("wait", Request::XenMessages, Duration::ZERO).unwrap_err().message;
        assert!(error.contains("waiting for the test host to wait: nothing within 3.0 s. All was well."), "{error}");
        assert!(matches!(read_call(&mut agent).request, Request::XenMessages));
        let whole = agent::encode(&FromAgent::Event(Event::Gone { domain: "a".into() })).unwrap();
        agent.write_all(&whole[..whole.len() - 1]).unwrap();
        drop(agent);
        assert!(link.events().next(SECOND).unwrap_err().message.contains("closed"));
    }

    #[test]
    fn a_report_of_garbage_explains_a_call_that_got_lost() {
        let (link, mut agent) = pair();
        agent.write_all(&agent::encode(&FromAgent::Garbage("noise".into())).unwrap()).unwrap();
        let error = link.call("wait", Request::XenMessages, Duration::ZERO).unwrap_err().message;
        assert!(error.contains("garbage 1 times, the last time noise"), "{error}");
        assert!(link.begin(Request::XenMessages, SECOND).is_ok());
    }
}
