//! QEMU's monitor protocol, as much of it as the harness needs (QEMU's docs/interop/qmp-spec).
//!
//! Invariant: one command at a time, each with a deadline. What the harness waits for, it asks for; of what QEMU tells
//! unasked, which it does before it answers the next command, only that the machine goes on is counted.

use crate::error::{Context, Error, Result};
use crate::machine::deadline::Deadline;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// No reply is longer.
const LINE_MAX: u64 = 4 << 20;

/// A connection to QEMU's monitor.
pub struct Qmp {
    stream: Mutex<BufReader<UnixStream>>,
    /// How often the machine has gone on.
    resumed: AtomicU64,
}

impl Qmp {
    /// Greets QEMU.
    pub fn new(stream: UnixStream, deadline: Deadline) -> Result<Self> {
        let qmp = Self { stream: Mutex::new(BufReader::new(stream)), resumed: AtomicU64::new(0) };
        qmp.execute("qmp_capabilities", json!({}), deadline)?;
        Ok(qmp)
    }

    /// Runs a command and returns its result.
    pub fn execute(&self, command: &str, arguments: Value, deadline: Deadline) -> Result<Value> {
        self.exchange(command, arguments, None, deadline)
    }

    /// Gives QEMU a descriptor, to be named in later commands.
    pub fn give(&self, name: &str, descriptor: impl AsFd, deadline: Deadline) -> Result<()> {
        let arguments = json!({ "fdname": name });
        self.exchange("getfd", arguments, Some(descriptor.as_fd()), deadline).map(drop)
    }

    /// Runs a command of the human monitor, for what QMP lacks, and returns what it printed.
    pub fn human(&self, line: &str, deadline: Deadline) -> Result<String> {
        let printed = self.execute("human-monitor-command", json!({ "command-line": line }), deadline)?;
        Ok(printed.as_str().unwrap_or_default().trim().to_owned())
    }

    /// Whether the guest runs, is paused, still loads its state, and so on (QEMU's RunState).
    pub fn status(&self, deadline: Deadline) -> Result<String> {
        let status = self.execute("query-status", json!({}), deadline)?;
        Ok(status["status"].as_str().unwrap_or_default().to_owned())
    }

    /// How often the machine has gone on after it stood still, however short that was.
    pub fn resumed(&self, deadline: Deadline) -> Result<u64> {
        // With its answer comes what happened before.
        self.status(deadline)?;
        Ok(self.resumed.load(Ordering::Relaxed))
    }

    fn exchange(
        &self,
        command: &str,
        arguments: Value,
        descriptor: Option<BorrowedFd<'_>>,
        deadline: Deadline,
    ) -> Result<Value> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let doing = format!("QEMU's command {command}");
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        match descriptor {
            None => stream.get_mut().write_all(line.as_bytes()).doing(&doing)?,
            Some(descriptor) => send_with(stream.get_ref(), line.as_bytes(), descriptor).doing(&doing)?,
        }
        loop {
            let left = deadline.left().max(std::time::Duration::from_millis(1));
            stream.get_ref().set_read_timeout(Some(left)).doing(&doing)?;
            let mut line = String::new();
            match stream.by_ref().take(LINE_MAX).read_line(&mut line) {
                Ok(0) => return Err(Error::fault(format!("{doing}: QEMU has closed its monitor"))),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(deadline.missed(&doing, "")),
                Err(error) => return Err(Error::from_io(&error, &doing)),
            }
            let mut reply: Value = serde_json::from_str(&line)
                .map_err(|error| Error::fault(format!("{doing}: QEMU answered no JSON: {error}")))?;
            if let Some(result) = reply.get_mut("return") {
                return Ok(result.take());
            }
            if reply["event"] == "RESUME" {
                self.resumed.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(error) = reply.get("error") {
                let why = error["desc"].as_str().unwrap_or("no reason given");
                return Err(Error::fault(format!("{doing}: {why}")));
            }
        }
    }
}

/// Sends a line with a descriptor on its first byte (SCM_RIGHTS, unix(7)).
fn send_with(stream: &UnixStream, line: &[u8], descriptor: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    if !rights.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(rustix::io::Errno::NOBUFS);
    }
    // So short a line is sent whole.
    sendmsg(stream, &[IoSlice::new(line)], &mut rights, SendFlags::empty()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn qemu(replies: &'static [&'static str]) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(theirs);
            writeln!(stream.get_mut(), r#"{{"QMP": {{"version": {{}}}}}}"#).unwrap();
            for reply in replies {
                stream.read_line(&mut String::new()).unwrap();
                writeln!(stream.get_mut(), "{reply}").unwrap();
            }
            // Silence, until the other end is closed.
            let _ = stream.read_line(&mut String::new());
            let _ = stream.read_line(&mut String::new());
        });
        ours
    }

    #[test]
    fn results_errors_events_and_silence_are_told_apart() {
        let replies = &[
            r#"{"return": {}}"#,
            "{\"event\": \"STOP\"}\n{\"return\": {\"status\": \"paused\"}}",
            r#"{"error": {"class": "GenericError", "desc": "no such device"}}"#,
            "{\"event\": \"STOP\"}\n{\"event\": \"RESUME\"}\n{\"return\": {\"status\": \"running\"}}",
        ];
        let soon = Deadline::after(Duration::from_secs(5));
        let qmp = Qmp::new(qemu(replies), soon).unwrap();
        assert_eq!(qmp.status(soon).unwrap(), "paused");
        let error = qmp.execute("device_del", json!({}), soon).unwrap_err().message;
        assert_eq!(error, "QEMU's command device_del: no such device");
        // A program at the debugger's end may go on sooner than anybody asks again.
        assert_eq!(qmp.resumed(soon).unwrap(), 1);
        let now = Deadline::after(Duration::from_millis(20));
        assert!(qmp.status(now).unwrap_err().message.contains("nothing within"));
    }
}
