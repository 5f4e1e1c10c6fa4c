//! Guests' consoles: output from xenconsoled's logs, input through the pseudo-terminals that it offers.
//!
//! `xenconsoled --log=guest --log-dir=DIR` writes every byte a guest prints to `DIR/guest-NAME.log` and closes that
//! file when the domain is gone (tools/console/daemon/io.c). Unlike the pseudo-terminal, the log loses nothing.
//!
//! Invariant: a guest's bytes are sent once, in order, all of them before its exit is reported. What has been sent is
//! taken out of the file, so that a chatty guest does not fill dom0's memory.

use crate::{locked, port::Port, xenstore};
use agent::{Event, FromAgent};
use rustix::fs::{FallocateFlags, fallocate, inotify};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const DIR: &str = "/var/log/xen/console";
/// A log is complete when it has not grown for some rounds of this length after its guest stopped. Rounds rather
/// than one long wait: on a machine that stood still meanwhile, a single wait is over before xenconsoled had its turn.
const ROUND: Duration = Duration::from_millis(20);
/// So many rounds are enough as a rule.
const QUIET: u32 = 3;
/// xenconsoled stops listening to a guest that prints much for the rest of a period of 200 ms.
const QUIET_THROTTLED: u32 = 13;
/// xenconsoled may throttle from 30 rings of 2 KiB on; look out for it well before.
const BURST: u64 = 24 << 10;
/// Free a log's blocks in steps of this size.
const PUNCH: u64 = 256 << 10;

/// All consoles.
pub struct Console {
    port: Arc<Port>,
    tails: Mutex<HashMap<String, Tail>>,
    changed: Condvar,
}

/// How far a guest's log has been read.
struct Tail {
    file: Option<File>,
    read: u64,
    freed: u64,
    grew: Instant,
    /// What came since the log was last silent for a while.
    burst: u64,
    /// How often xenconsoled closed the log: once each time the domain ended.
    closed: u32,
}

impl Console {
    /// No consoles yet; what they print goes to `port`.
    pub fn new(port: Arc<Port>) -> Self {
        if let Err(error) = std::fs::create_dir_all(DIR) {
            eprintln!("stardust: agent: {DIR}: {error}");
        }
        Self { port, tails: Mutex::default(), changed: Condvar::new() }
    }

    /// Begins to follow the domain's log. To be called before the domain is made.
    pub fn begin(&self, domain: &str) {
        // A log of an earlier domain of this name.
        let _ = std::fs::remove_file(log(domain));
        let tail = Tail { file: None, read: 0, freed: 0, grew: Instant::now(), burst: 0, closed: 0 };
        locked(&self.tails).insert(domain.to_owned(), tail);
    }

    /// How often the log has been closed so far: to be passed to [`Console::settle`].
    pub fn closed(&self, domain: &str) -> u32 {
        locked(&self.tails).get(domain).map_or(0, |tail| tail.closed)
    }

    /// Waits until everything that a guest printed has been sent, once the guest itself has stopped.
    pub fn settle(&self, domain: &str, closed_before: u32) {
        let limit = Instant::now() + Duration::from_secs(3);
        let mut tails = locked(&self.tails);
        let (mut read, mut quiet) = (None, 0);
        while let Some(tail) = tails.get_mut(domain) {
            self.pump(domain, tail);
            quiet = if read == Some(tail.read) { quiet + 1 } else { 0 };
            read = Some(tail.read);
            let enough = if tail.burst > BURST { QUIET_THROTTLED } else { QUIET };
            if tail.closed > closed_before || quiet >= enough || Instant::now() >= limit {
                return;
            }
            tails = match self.changed.wait_timeout(tails, ROUND) {
                Ok((tails, _)) => tails,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Ends with a domain that is gone.
    pub fn end(&self, domain: &str) {
        let mut tails = locked(&self.tails);
        if let Some(mut tail) = tails.remove(domain) {
            self.pump(domain, &mut tail);
            let _ = std::fs::remove_file(log(domain));
        }
    }

    /// Sends what the logs grow by, for ever.
    pub fn follow(&self) {
        let watch = || {
            use inotify::{CreateFlags, WatchFlags};
            let watch = inotify::init(CreateFlags::CLOEXEC)?;
            inotify::add_watch(&watch, DIR, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::CLOSE_WRITE)?;
            Ok(watch)
        };
        let watch = match watch() {
            Ok(watch) => watch,
            Err(error) => {
                let error: rustix::io::Errno = error;
                return eprintln!("stardust: agent: cannot watch {DIR}: {error}");
            }
        };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(watch, &mut buffer);
        loop {
            let Ok(event) = events.next() else { continue };
            let domain = event.file_name().and_then(|name| name.to_str().ok()).and_then(domain_of);
            let mut tails = locked(&self.tails);
            if let Some((domain, tail)) = domain.and_then(|domain| tails.get_mut(domain).map(|tail| (domain, tail))) {
                self.pump(domain, tail);
                tail.closed += u32::from(event.events().contains(inotify::ReadFlags::CLOSE_WRITE));
                self.changed.notify_all();
            }
        }
    }

    /// Sends what is new.
    fn pump(&self, domain: &str, tail: &mut Tail) {
        if tail.file.is_none() {
            tail.file = File::options().read(true).write(true).open(log(domain)).ok();
        }
        let Some(file) = &tail.file else { return };
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = file.read_at(&mut bytes, tail.read) {
            let (domain, bytes) = (domain.to_owned(), bytes[..count].to_vec());
            self.port.send(&FromAgent::Event(Event::Console { domain, bytes }));
            tail.burst = if tail.grew.elapsed() > ROUND * QUIET_THROTTLED { 0 } else { tail.burst } + count as u64;
            tail.grew = Instant::now();
            tail.read += count as u64;
        }
        if tail.read - tail.freed >= PUNCH {
            // Only a matter of memory; the next step frees what this one could not.
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            if fallocate(file, hole, tail.freed, tail.read - tail.freed).is_ok() {
                tail.freed = tail.read;
            }
        }
    }
}

/// Types on a domain's console and returns how many bytes it took.
pub fn input(domid: u32, bytes: &[u8]) -> Result<u64, String> {
    let node = format!("/local/domain/{domid}/console/tty");
    let path = xenstore::read(&node)?.ok_or("the domain's console is not ready")?;
    let path = String::from_utf8(path).map_err(|error| format!("{node}: {error}"))?;
    let flags = rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK;
    let fail = |error: io::Error| format!("{path}: {error}");
    let open = File::options().read(true).write(true).custom_flags(flags.bits() as i32).open(&path);
    let mut terminal = open.map_err(fail)?;
    let mut mode = rustix::termios::tcgetattr(&terminal).map_err(|error| fail(error.into()))?;
    // Otherwise what the guest prints is echoed back to it as input.
    mode.make_raw();
    rustix::termios::tcsetattr(&terminal, rustix::termios::OptionalActions::Now, &mode)
        .map_err(|error| fail(error.into()))?;
    match terminal.write(bytes) {
        Ok(count) => Ok(count as u64),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(fail(error)),
    }
}

fn log(domain: &str) -> PathBuf {
    PathBuf::from(format!("{DIR}/guest-{domain}.log"))
}

fn domain_of(file: &str) -> Option<&str> {
    file.strip_prefix("guest-")?.strip_suffix(".log")
}
